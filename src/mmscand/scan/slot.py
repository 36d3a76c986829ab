"""A slot: one watched process, its history, and one pass over it."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmscand.heat.history import History, accessed_in_a_row, is_shared
from mmscand.machine import AddressSpace
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import (
    BoolArray,
    Outcome,
    PageBlock,
    Process,
    Promotion,
    Topology,
    UIntArray,
    VmaTable,
    Window,
)
from mmscand.policy.eligible import eligible
from mmscand.policy.two_pass import TwoPass
from mmscand.scan.pacing import Pacer
from mmscand.settings import Settings


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visit to a process saw."""

    started: float
    complete: bool
    """It came to the end of the address space; the next one begins at its start."""
    counts: Counter[str]
    """Pages by what they were, see observe.events.PassEnd."""


class Slot:
    """Owned by the scanner thread; only `report` is called from another one."""

    def __init__(
        self,
        space: AddressSpace,
        topology: Topology,
        migration_list: MigrationList,
        settings: Settings,
        *,
        dry_run: bool,
    ) -> None:
        self._space = space
        self._topology = topology
        self._list = migration_list
        self._settings = settings
        self._dry_run = dry_run
        self._outcomes: deque[Outcome] = deque()
        self._moved: list[UIntArray] = []
        """Addresses that moved since this visit began: it may have read them where they were."""
        self._generation = 0
        self._history = History()
        self._cursor = 0
        self._counts: Counter[str] | None = None
        """Of the visit that was interrupted; None between visits."""
        self._started = 0.0
        self.pacer = Pacer(settings)
        self.passes = 0
        self.due = 0.0
        """Clock time of the next visit, or of going on with one."""

    @property
    def process(self) -> Process:
        """Whose slot it is."""
        return self._space.process

    def report(self, outcome: Outcome) -> None:
        """Take what became of a promotion; folded into the history by the next visit."""
        self._outcomes.append(outcome)

    def adopt(self, settings: Settings) -> None:
        """Run by other settings from the next visit on."""
        self._settings = settings
        self.pacer.adopt(settings)

    def visit(self, now: float, go_on: Callable[[], bool]) -> Visit | None:
        """Look at as much of the process as its pacing allows, from where the last visit ended.

        `go_on` is asked after each window. When it says no the answer is None, and the next call
        continues this visit.
        """
        if self._counts is None:
            self._begin(now)
        counts = self._counts = self._counts or Counter()
        vmas = self._space.vmas()
        vmas = vmas.where(eligible(vmas))
        for window in self._space.read(vmas, self._cursor):
            self._take(window, vmas, counts)
            if counts["examined"] >= self.pacer.size_pages:
                return self._end(counts, complete=False)
            if not go_on():
                return None
        self._cursor = 0
        self._history.end_pass()
        self.passes += 1
        return self._end(counts, complete=True)

    def _take(self, window: Window, vmas: VmaTable, counts: Counter[str]) -> None:
        counts["examined"] += window.pages
        counts["discarded"] += window.discarded
        for block in window.blocks:
            self._fold(block, vmas, counts)
        self._history.forget_missing(window)
        self._cursor = window.end

    def _end(self, counts: Counter[str], *, complete: bool) -> Visit:
        self._counts = None
        self.pacer.step(counts["useful"])
        return Visit(self._started, complete, counts)

    def _begin(self, now: float) -> None:
        self._started = now
        generation = self._space.generation()
        if generation != self._generation:  # execve: nothing that was known holds any more
            self._generation = generation
            self._history = History()
            self._outcomes.clear()
            self._list.drop(self.process)
            self._cursor = self.passes = 0
        self._take_outcomes()
        self._moved.clear()
        if self._cursor == 0 and self.passes % self._settings.shared_recheck_passes == 0:
            self._history.forget_shared()

    def _take_outcomes(self) -> None:
        """A page that did not move has to prove itself again before it is tried again."""
        while self._outcomes:
            outcome = self._outcomes.popleft()
            promotion, moved = outcome.promotion, outcome.moved
            self._history.restart(promotion.addresses[~moved], promotion.pages_per_slot)
            self._moved.append(promotion.addresses[moved])
            pages = int(np.count_nonzero(moved)) * promotion.pages_per_slot
            self.pacer.failures.add(pages, promotion.pages - pages)

    def _fold(self, block: PageBlock, vmas: VmaTable, counts: Counter[str]) -> None:
        state = self._history.fold(block)
        policy = TwoPass(self._settings.hot_passes)
        hot, to_age = policy.hot(block, state), policy.to_age(block, state)
        count = _counter(counts, block.pages_per_slot)
        count("slow", block.slow)
        count("accessed", block.slow & block.accessed)
        count("useful", accessed_in_a_row(state, 1) & ~is_shared(state))
        count("hot", hot)
        if hot.any():
            to_age &= ~self._queue(block, hot, counts)
        if not self._dry_run:
            counts["aged"] += self._space.age(block, to_age, vmas)

    def _queue(self, block: PageBlock, hot: BoolArray, counts: Counter[str]) -> BoolArray:
        """Put the hot slots on the migration list; those that are on it now.

        These are not aged: the page takes its Accessed bit along and is young on its new node.
        """
        hot = self._without_moved(block, hot)
        addresses = block.slot_addresses(hot)
        shared = self._space.shared(addresses)
        if shared.any():
            self._history.mark_shared(addresses[shared], block.pages_per_slot)
            counts["shared"] += int(np.count_nonzero(shared)) * block.pages_per_slot
        if self._dry_run:
            return np.zeros_like(hot)
        sources = self._topology.nodes_of(block.frames[hot])
        on_list = np.zeros(len(addresses), dtype=np.bool_)
        for source in np.unique(sources[~shared]).tolist():
            mine = ~shared & (sources == source)
            accepted = self._offer(addresses[mine], block.pages_per_slot, source)
            on_list[mine] = np.isin(addresses[mine], accepted, assume_unique=True)
        counts["queued"] += int(np.count_nonzero(on_list)) * block.pages_per_slot
        result = np.zeros_like(hot)
        result[hot] = on_list
        return result

    def _without_moved(self, block: PageBlock, hot: BoolArray) -> BoolArray:
        self._take_outcomes()
        if not self._moved:
            return hot
        still = hot.copy()
        addresses = block.slot_addresses(hot)
        still[hot] = ~np.isin(addresses, np.concatenate(self._moved), assume_unique=True)
        return still

    def _offer(self, addresses: UIntArray, pages_per_slot: int, source: int) -> UIntArray:
        return self._list.offer(Promotion(self.process, addresses, pages_per_slot, source))

    def close(self) -> None:
        """Drop the process' entries and let go of it."""
        self._list.drop(self.process)
        self._space.close()


def _counter(counts: Counter[str], pages_per_slot: int) -> Callable[[str, BoolArray], None]:
    def count(name: str, mask: BoolArray) -> None:
        counts[name] += int(np.count_nonzero(mask)) * pages_per_slot

    return count
