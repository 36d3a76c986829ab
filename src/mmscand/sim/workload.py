"""What a workload is: how often each page is used, in classes of pages and steps of time.

Expected accesses over any span are exact and cheap so, also when rates change inside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from mmscand.model import FloatArray, PageNumbers

MOVE_NS = 1240.0
"""One 4K page by move_pages(2), one thread, Linux 7.1-rc1 (lkml 2605.1/00684)."""


@dataclass(frozen=True)
class Workload:
    """Use of `pages` pages; time is in base windows."""

    classes: PageNumbers
    """(pages,) class of each page."""
    rates_in: Callable[[int], FloatArray]
    """(classes,) accesses a window of a page of each class, in a step."""
    step: float = inf
    """Windows after which rates change."""
    swept: Callable[[float, float], FloatArray] | None = None
    """(pages,) accesses of each page from one time to another that happen for certain."""
    only_swept: bool = False
    """Whether those take the place of the random ones; `rates_in` is their mean then."""
    renewed_in: Callable[[int], NDArray[np.intp]] | None = None
    """Classes whose pages are freed, and allocated again, when a step begins."""
    shift_at: float | None = None
    """When the whole hot set is replaced."""
    sweep: tuple[float, float, PageNumbers] | None = None
    """A single pass over pages that are cold otherwise: from, to, which."""
    move_ns: float = MOVE_NS
    _best: dict[tuple[int, int], float] = field(default_factory=dict, repr=False)

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """(classes,) pages of each class."""
        return np.bincount(self.classes, minlength=len(self.rates_in(0)))

    def steps(self, start: float, end: float) -> list[tuple[int, float]]:
        """The steps that a span touches, with the windows it spends in each."""
        if self.step == inf:
            return [(0, end - start)]
        found, at = [], start
        while at < end:
            number = int(at / self.step + 1e-9)
            until = min(end, (number + 1) * self.step)
            found.append((number, until - at))
            at = until
        return found

    def expected(self, start: float, end: float) -> FloatArray:
        """(classes,) expected accesses of a page of each class."""
        return sum(
            (self.rates_in(number) * span for number, span in self.steps(start, end)),
            np.zeros(len(self.sizes)),
        )

    def best(self, start: float, end: float, capacity: int) -> float:
        """Accesses of the hottest `capacity` pages, chosen again in each step: O-epoch."""
        return sum(span * self._top(n, capacity) for n, span in self.steps(start, end))

    def _top(self, step: int, capacity: int) -> float:
        known = self._best.get((step, capacity))
        if known is None:
            known = held_by_hottest(self.rates_in(step), self.sizes, capacity)
            self._best[step, capacity] = known
        return known


def total(each: FloatArray, pages: NDArray[np.intp]) -> float:
    """Sum over classes. Not by BLAS: its threads and the other workers' fight over the cores."""
    return float(np.einsum("i,i", each, pages))


def held_by_hottest(rates: FloatArray, sizes: NDArray[np.intp], capacity: int) -> float:
    """Sum of the rates of the hottest `capacity` pages, with these pages at each rate."""
    order = np.argsort(-rates, kind="stable")
    before = np.cumsum(sizes[order]) - sizes[order]
    taken = np.clip(capacity - before, 0, sizes[order])
    return total(rates[order], taken)
