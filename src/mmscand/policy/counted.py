"""Pages of processes by kind: all pages of one expected rate are a kind, counted by tier."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmscand.model import FloatArray, PageNumbers
from mmscand.policy.plan import Plan


@dataclass(frozen=True, slots=True)
class Counted:
    """What a pass over one process has found; (n,) kinds of pages, by their rate."""

    rates: FloatArray
    """(n,) in accesses a second."""
    pages: PageNumbers
    """(2, n) on the slow tier and on the fast one."""
    unproven: PageNumbers
    """(n,) those on the slow tier of which too little is known to trade them."""
    agrees: float = 1.0
    """How far what was seen is what these rates make expect; of what came in, so much is spent."""
    deferred: int = 0
    """Pages that were to be promoted, had there been room."""

    def known(self) -> "Counted":
        """Without kinds that have no page."""
        some = self.pages.any(axis=0)
        kinds = self.rates[some], self.pages[:, some], self.unproven[some]
        return Counted(*kinds, self.agrees, self.deferred)

    def chosen(self, plan: Plan, *, demotes: bool) -> PageNumbers:
        """(n,) pages of each kind that are as hot, or as cold, as a plan wants them to move."""
        cold, hot = self.rates <= plan.demote_to, self.rates >= plan.promote_from
        chosen: PageNumbers = (
            self.pages[1] * cold if demotes else (self.pages[0] - self.unproven) * hot
        )
        return chosen


@dataclass(frozen=True, slots=True)
class Kinds:
    """(n,) kinds of pages of several processes, one after another; see `Counted`."""

    rates: FloatArray
    pages: FloatArray
    """(2, n)"""
    unproven: PageNumbers
    each: list[int]
    """How many of each process."""

    @classmethod
    def of(cls, every: Sequence[Counted]) -> "Kinds":
        """Those of all."""
        return cls(
            np.concatenate([one.rates for one in every]),
            np.concatenate([one.pages for one in every], axis=1).astype(float),
            np.concatenate([one.unproven for one in every]),
            [len(one.rates) for one in every],
        )

    def of_each(self, values: Sequence[float] | FloatArray) -> FloatArray:
        """(n,) the value of each kind's process."""
        repeated: FloatArray = np.repeat(np.asarray(values, dtype=np.float64), self.each)
        return repeated
