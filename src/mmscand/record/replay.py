"""Policies over a recording: what would have been on the fast tier, had they decided.

A page is an address of one process: pages keep their numbers over the whole recording. What the
recording cannot say is left out: pages whose bits say nothing, and how the program would have run
had its memory been faster.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmscand.errors import UsageError
from mmscand.model import HUGE_PAGE_BYTES, PAGES_PER_TABLE, BoolArray, PageNumbers, UIntArray
from mmscand.record.file import Recording
from mmscand.record.tables import ProcessPass, Table, unpack
from mmscand.sets import among
from mmscand.sim.world import FAST, SLOW, World

_NEARLY = 0.95
"""Of the share of the later half: what a warm-up ends with."""
_Space = tuple[int, int, int]
"""pid, start time and generation: one address space."""


@dataclass(slots=True)
class Round:
    """What one pass over all processes found; arrays of (pages,), valid until the next round."""

    at_s: float
    """When the last process of it was read."""
    accessed: BoolArray
    present: BoolArray
    """There, and with a bit that says something."""
    slow: BoolArray


class Pages:
    """Numbers for all pages of a recording: 512 for each 2 MiB of an address space."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        found: dict[_Space, list[UIntArray]] = {}
        for seen in recording.passes():
            found.setdefault(_space(seen), []).append(_row_numbers(seen.layout))
        self._rows = {space: np.unique(np.concatenate(rows)) for space, rows in found.items()}
        counts = [len(rows) for rows in self._rows.values()]
        self._first = dict(zip(self._rows, np.cumsum([0, *counts]).tolist(), strict=False))
        self._count = sum(counts)

    def __len__(self) -> int:
        return self._count * PAGES_PER_TABLE

    def rounds(self) -> Iterator[Round]:
        """One after another, each read from the file."""
        shape = (self._count, PAGES_PER_TABLE)
        present, slow, accessed = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
        huge = np.ones(self._count, dtype=np.uint32)
        number, at_s, generation = 0, 0.0, dict[tuple[int, int], _Space]()
        for seen in self._recording.passes():
            if number not in (0, int(seen.about["pass"][0])):
                yield Round(at_s, accessed.reshape(-1), present.reshape(-1), slow.reshape(-1))
                accessed[:] = False
            number, space = int(seen.about["pass"][0]), _space(seen)
            at_s = float(seen.about["at_ns"][0]) * 1e-9
            before = generation.get(space[:2], space)
            if before != space or seen.about["left"][0]:
                present[self._all_of(before)] = False
            generation[space[:2]] = space
            rows = self._at(space, seen.layout)
            huge[rows] = seen.layout["pages_per_slot"]
            meaningful = seen.layout["present"] & ~seen.layout["stuck"]
            present[rows] = unpack(meaningful, huge[rows])
            slow[rows] = unpack(seen.layout["slow"], huge[rows])
            rows = self._at(space, seen.accessed)
            accessed[rows] = unpack(seen.accessed["accessed"], huge[rows]) & present[rows]
        if number:
            yield Round(at_s, accessed.reshape(-1), present.reshape(-1), slow.reshape(-1))

    def _all_of(self, space: _Space) -> slice:
        first = self._first.get(space, 0)
        return slice(first, first + len(self._rows.get(space, ())))

    def _at(self, space: _Space, table: Table) -> NDArray[np.intp]:
        known, wanted = self._rows[space], _row_numbers(table)
        if not among(wanted, known).all():
            raise UsageError("accesses to memory of unknown layout", hint="the file is damaged")
        numbers: NDArray[np.intp] = np.searchsorted(known, wanted) + self._first[space]
        return numbers


def _space(seen: ProcessPass) -> _Space:
    about = seen.about[0]
    return int(about["pid"]), int(about["start_time"]), int(about["generation"])


def _row_numbers(table: Table) -> UIntArray:
    numbers: UIntArray = table["address"] // np.uint64(HUGE_PAGE_BYTES)
    return numbers


@dataclass(slots=True)
class Replayed:
    """What became of it. An access is a page in a pass that found its bit set; pages are 4 KiB."""

    policy: str
    passes: int
    pages: int
    """At most present at one time."""
    fast_pages: int
    """That fit the fast tier."""
    accesses: int
    hit_share: dict[str, float]
    """Accesses to pages on the fast tier: by the policy, had nobody moved anything (nothing),
    with the pages there that are accessed in most passes (best-static), and as it was recorded."""
    promoted: int = 0
    demoted: int = 0
    decisions: int = 0
    by_pass: dict[str, list[float | None]] = field(default_factory=dict)
    """Hit share of each pass; None where nothing was accessed."""
    warm_up: int = 0
    """Passes until the policy is nearly as good as it is in the later half of the recording."""
    warming: dict[str, float | None] = field(default_factory=dict)
    """Hit share in these passes, and in all that follow."""
    steady: dict[str, float | None] = field(default_factory=dict)
    cut: bool = False
    """The recording ends inside a pass, or is damaged there."""


@dataclass(slots=True)
class _Tier:
    """The fast tier of one way to place pages."""

    fast: BoolArray
    capacity: int
    hits: list[int] = field(default_factory=list)

    def place(self, appeared: PageNumbers, vanished: PageNumbers) -> None:
        """As the kernel does: new pages go to the fast tier while there is room."""
        self.fast[vanished] = False
        room = max(0, self.capacity - int(np.count_nonzero(self.fast)))
        self.fast[appeared[:room]] = True

    def count(self, accessed: BoolArray) -> None:
        """Accesses of one pass."""
        self.hits.append(int(np.count_nonzero(accessed & self.fast)))


def replay(recording: Recording, policy: str, ratio: tuple[int, int]) -> Replayed:
    """Run the policy of that name; UsageError when the recording has no access."""
    pages = Pages(recording)
    counts, peak, totals, as_recorded = _survey(pages)
    capacity = peak * ratio[0] // sum(ratio)
    if not totals or not sum(totals) or not capacity:
        raise UsageError("no accessed page in the recording", hint="record for longer")
    run = _Run(policy, pages, capacity)
    for each in pages.rounds():
        run.take(each)
    hits = {policy: run.hits, "nothing": run.unmoved.hits, "as-recorded": as_recorded}
    share = {name: sum(found) / sum(totals) for name, found in hits.items()}
    share["best-static"] = int(np.sort(counts)[::-1][:capacity].sum()) / sum(totals)
    by_pass = {name: _shares(found, totals) for name, found in hits.items()}
    warm_up = _warm_up(by_pass[policy])
    return Replayed(
        policy=policy,
        passes=len(totals),
        pages=peak,
        fast_pages=capacity,
        accesses=sum(totals),
        hit_share=share,
        promoted=run.promoted,
        demoted=run.demoted,
        decisions=run.decisions,
        by_pass=by_pass,
        warm_up=warm_up,
        warming={name: _share(found[:warm_up], totals[:warm_up]) for name, found in hits.items()},
        steady={name: _share(found[warm_up:], totals[warm_up:]) for name, found in hits.items()},
        cut=recording.cut,
    )


def _shares(hits: list[int], totals: list[int]) -> list[float | None]:
    return [hit / total if total else None for hit, total in zip(hits, totals, strict=True)]


def _share(hits: list[int], totals: list[int]) -> float | None:
    return sum(hits) / sum(totals) if sum(totals) else None


def _warm_up(shares: list[float | None]) -> int:
    """Passes before three in a row that are nearly as good as the later half."""
    later = [share for share in shares[len(shares) // 2 :] if share is not None]
    goal = _NEARLY * float(np.median(later)) if later else 0.0
    good = [share is None or share >= goal for share in shares]
    runs = (first for first in range(len(good) - 2) if all(good[first : first + 3]))
    return next(runs, len(shares) // 2)


def _survey(pages: Pages) -> tuple[NDArray[np.uint32], int, list[int], list[int]]:
    """Accesses of each page, most pages at a time, and for each pass accesses, and fast ones."""
    counts, peak = np.zeros(len(pages), dtype=np.uint32), 0
    totals, fast = [], []
    for each in pages.rounds():
        counts += each.accessed
        peak = max(peak, int(np.count_nonzero(each.present)))
        totals.append(int(np.count_nonzero(each.accessed)))
        fast.append(int(np.count_nonzero(each.accessed & ~each.slow)))
    return counts, peak, totals, fast


class _Run:
    """The daemon at work on a simulated machine, beside one that moves nothing."""

    def __init__(self, policy: str, pages: Pages, capacity: int) -> None:
        self._world = World(policy, len(pages), capacity)
        none = np.zeros(len(pages), dtype=np.bool_)
        self.unmoved = _Tier(none.copy(), capacity)
        self.hits: list[int] = []
        self._present = none.copy()
        self._due = 0.0
        self.promoted = self.demoted = self.decisions = 0

    def take(self, each: Round) -> None:
        """One round: count accesses, and let the daemon visit the pages if it wants to.

        Bits are set by the first access after their clearing, and by the program that maps a page.
        Between two rounds of a recording nothing can be read.
        """
        appeared = np.flatnonzero(each.present & ~self._present)
        vanished = np.flatnonzero(self._present & ~each.present)
        self._present = each.present.copy()
        self._world.free(vanished)
        self._world.allocate(appeared[len(self._world.allocate(appeared, FAST)) :], SLOW)
        self.unmoved.place(appeared, vanished)
        self.unmoved.count(each.accessed)
        before, bits = self._world.fast, self._world.accessed
        self.hits.append(int(np.count_nonzero(each.accessed & before)))
        bits |= each.accessed
        if each.at_s >= self._due:
            self._due = self._world.step(each.at_s)
            self.decisions += 1
            after = self._world.fast
            self.promoted += int(np.count_nonzero(after & ~before))
            self.demoted += int(np.count_nonzero(before & ~after))
