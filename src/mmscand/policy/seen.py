"""What a pass saw of the bits of either tier, beside what was expected of them."""

import math
from dataclasses import dataclass

_RISE, _SIGMAS = 2.0, 6.0
"""So many times what was expected, and no chance. Exposures get longer when less is cleared before
them: in emulation half as much again was used then, and nothing had changed."""


@dataclass(slots=True)
class Seen:
    """Counted in 4 KiB pages of which something was known before."""

    fast: int = 0
    hits: int = 0
    """Those of the fast tier whose bit was set."""
    expected_hits: float = 0.0
    slow: int = 0
    used: int = 0
    """Those of the slow tier whose bit was set."""
    expected_slow_share: float = 0.0
    """Of the slow tier, that was expected to be used; 0 is that nothing is known."""

    @property
    def slow_share(self) -> float | None:
        """Of the slow tier, that was used; None where nobody looked."""
        return self.used / self.slow if self.slow else None

    def activity(self, before: float) -> float:
        """How much less is used of the slow tier than was expected; 1 is as much, or more.

        A program that slows down uses all of its memory less, which is no change of what is hot.
        `before` is the answer where too little was looked at.
        """
        if self._expected_used < 1:
            return before
        return min(1.0, self.used / self._expected_used)

    @property
    def rises(self) -> bool:
        """Whether much more is used of the slow tier than was expected."""
        expected = self._expected_used
        chance = math.sqrt(max(1.0, expected))
        return self.used > max(_RISE * expected, expected + _SIGMAS * chance)

    @property
    def _expected_used(self) -> float:
        return self.expected_slow_share * self.slow

    def agreement(self, before: float) -> float:
        """How much is so of what was expected to set the fast tier apart from the slow one, 0 to 1;
        `before` where only one was looked at.
        """
        if not self.fast or not self.slow:
            return before
        seen = self.hits / self.fast - self.used / self.slow
        return share_of(seen, self.expected_hits / self.fast - self.expected_slow_share)


def share_of(seen: float, expected: float) -> float:
    """How much of a difference is so, 0 to 1."""
    return min(1.0, max(0.0, seen / expected)) if expected > 0 else 0.0
