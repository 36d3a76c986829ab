"""Loads whose hot memory changes by itself: one part of it after another, as masim does.

masim is the access pattern simulator of the DAMON project; `mmscand.sim.workloads` has the same
two patterns. The program says in a file of its folder which phase it is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmscand.model import FloatArray
from mmscand_lab.touch import Drawn
from mmscand_lab.truth import GUPS_HOT_ACCESSES, BoolArray, IntArray, hot_rates

_PHASES, _PHASE = "phases.npz", "phase"
PARTS = 10
"""masim's stairs have ten regions."""
STAIRS = tuple(range(PARTS))
ZIGZAG = (0, PARTS // 2)
"""masim's zigzag moves back and forth between two regions."""


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """Which part each page is in, and which part is hot in each phase, over and over."""

    parts: IntArray
    """(pages,) numbers from 0 to PARTS - 1."""
    order: IntArray
    """(n,) the hot part of the phases 0 to n - 1; phase n is as phase 0."""

    def hot(self, number: int) -> BoolArray:
        """(pages,) which are hot in the phase of that number."""
        hot: BoolArray = self.parts == self.order[number % self.order.size]
        return hot

    def rates(self, number: int) -> FloatArray:
        """(pages,) share of all accesses in that phase: 90 % go to the hot part."""
        return hot_rates(self.hot(number), GUPS_HOT_ACCESSES)

    def hot_so_far(self, number: int) -> BoolArray:
        """(pages,) which are hot in this phase, or were in one before."""
        return np.isin(self.parts, self.order[: number + 1])

    def save(self, folder: Path) -> None:
        """Write them into a file of the folder."""
        np.savez(folder / _PHASES, parts=self.parts, order=self.order)

    @classmethod
    def load(cls, folder: Path) -> Phases:
        """Read them. Raises FileNotFoundError while there are none."""
        with np.load(folder / _PHASES, allow_pickle=False) as data:
            return cls(data["parts"], data["order"])


def make_phases(pages: int, order: tuple[int, ...], seed: int | None) -> Phases:
    """Equal parts by address; with a seed the pages of each part lie anywhere."""
    parts = np.arange(pages) * PARTS // pages
    if seed is not None:
        parts = np.random.default_rng(seed).permutation(parts)
    return Phases(parts, np.array(order))


def present_phase(folder: Path) -> int:
    """The number of the phase that the program is in, from 0. OSError while it has none."""
    return int((folder / _PHASE).read_text(encoding="ascii"))


class Phased:
    """Touches pages drawn by the rates of the phase; a phase lasts `rounds` rounds."""

    def __init__(self, drawn: Drawn, phases: Phases, rounds: int, folder: Path) -> None:
        self._drawn, self._phases, self._folder = drawn, phases, folder
        self._rounds, self._left, self._number = rounds, rounds, 0
        phases.save(folder)
        self._begin()

    def touch_once(self) -> Iterator[int]:
        """A round as `Drawn` has it; yields the touches done after every chunk."""
        if self._left == 0:
            self._left, self._number = self._rounds, self._number + 1
            self._begin()
        self._left -= 1
        yield from self._drawn.touch_once()

    def change(self) -> None:
        """Nothing: it changes by itself."""

    def _begin(self) -> None:
        self._drawn.draw_by(self._phases.rates(self._number))
        part = self._folder / f"{_PHASE}.part"
        part.write_text(f"{self._number}\n", encoding="ascii")
        part.replace(self._folder / _PHASE)  # a reader sees the old number or the new one
