"""How much of all accesses fast memory of a size would serve: a curve, and its knee. No numpy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

_SHARES = (0.01, 0.02, 0.05, *(number / 20 for number in range(2, 21)))
"""Of all memory: the sizes that a table shows."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Sizes of fast memory in 4 KiB pages, ascending from 0, and the share of accesses of each."""

    pages: Sequence[float]
    shares: Sequence[float]

    @classmethod
    def of(cls, kinds: Iterable[tuple[float, float]]) -> "Curve":
        """For kinds of pages: accesses a second to one, and their number. The hottest are fast."""
        ranked = sorted((kind for kind in kinds if kind[1] > 0), reverse=True)
        pages = list(accumulate((number for _, number in ranked), initial=0.0))
        accesses = list(accumulate((rate * number for rate, number in ranked), initial=0.0))
        total = accesses[-1] or 1.0
        return cls(pages, [each / total for each in accesses])

    @property
    def total(self) -> float:
        """All pages that are known."""
        return self.pages[-1]

    def share(self, pages: float) -> float:
        """Of accesses that fast memory of this size serves."""
        for at in range(1, len(self.pages)):
            if pages < self.pages[at]:
                width = self.pages[at] - self.pages[at - 1]
                part = (pages - self.pages[at - 1]) / width
                return self.shares[at - 1] + part * (self.shares[at] - self.shares[at - 1])
        return self.shares[-1]

    def size_for(self, share: float) -> float:
        """The least number of pages that serves this share of accesses."""
        for at in range(1, len(self.shares)):
            if share <= self.shares[at]:
                width = self.shares[at] - self.shares[at - 1]
                part = (share - self.shares[at - 1]) / width if width else 0.0
                return self.pages[at - 1] + part * (self.pages[at] - self.pages[at - 1])
        return self.total

    @property
    def knee(self) -> float:
        """Where more memory begins to bring less than the mean page does: the point that is
        farthest above the straight line (Satopaa et al., Kneedle, 2011).
        """
        if not self.total:
            return 0.0
        above = [share - size / self.total for size, share in self.points]
        best = max(range(len(above)), key=lambda at: above[at])
        return self.pages[best]

    @property
    def points(self) -> list[tuple[float, float]]:
        """Size and share, at each border between two kinds of pages."""
        return list(zip(self.pages, self.shares, strict=True))

    def sizes(self) -> list[float]:
        """For a table: shares of all memory."""
        return [share * self.total for share in _SHARES]
