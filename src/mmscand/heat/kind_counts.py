"""How many pages of a process have each kind of word: its placement and its heat come from that."""

from functools import cached_property

import numpy as np

from mmscand.heat.word import KINDS, STATE, STATES, UNKNOWN
from mmscand.model import PageNumbers
from mmscand.sets import distinct


class KindCounts:
    """Never changed, so other threads may read it. What views ask of each process is worked out
    once: of 1500 small ones each has a few dozens of 4096 kinds, and to find them takes 25 us.
    """

    def __init__(self, kinds: PageNumbers) -> None:
        self.kinds = kinds
        """(KINDS,) 4 KiB pages of each kind of word."""

    @classmethod
    def none(cls) -> "KindCounts":
        """Of a process of which nothing is known."""
        return cls(np.zeros(KINDS, dtype=np.intp))

    @property
    def by_state(self) -> PageNumbers:
        """(2, STATES) 4 KiB pages on the slow tier and on the fast one. Not kept: of 1500 processes
        that would be 24 MiB.
        """
        result: PageNumbers = self.kinds.reshape(2, 2, STATES).sum(axis=1)
        return result

    @cached_property
    def sizes(self) -> PageNumbers:
        """(2,) 4 KiB pages on the slow tier and on the fast one."""
        result: PageNumbers = self.kinds.reshape(2, -1).sum(axis=1)
        return result

    @property
    def fast_unknown(self) -> int:
        """4 KiB pages on the fast tier of which nothing is known yet."""
        return int(self.kinds.reshape(2, 2, STATES)[1, :, UNKNOWN].sum())

    @cached_property
    def there(self) -> PageNumbers:
        """(n,) kinds that there are, ascending."""
        return np.flatnonzero(self.kinds)

    @cached_property
    def states(self) -> PageNumbers:
        """(m,) states that there are, ascending."""
        return distinct(self.there & int(STATE))

    @cached_property
    def pages(self) -> PageNumbers:
        """(2, m) 4 KiB pages of these states, on the slow tier and on the fast one."""
        tiers = self.kinds.reshape(2, 2, STATES)[:, :, self.states]
        result: PageNumbers = tiers.sum(axis=1)
        return result
