"""A slot: one watched process, its history, and one pass over it."""

import threading
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from mmscand.heat.history import History
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
)
from mmscand.policy.eligible import eligible
from mmscand.policy.two_pass import TwoPass
from mmscand.settings import Settings


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
        self._policy = TwoPass(settings.hot_passes)
        self._outcomes: deque[Outcome] = deque()
        self._moved: list[UIntArray] = []
        """Addresses that moved since this pass began: it may have read them where they were."""
        self._generation = 0
        self._history = History()
        self.passes = 0
        self.due = 0.0
        """Clock time of the next pass."""

    @property
    def process(self) -> Process:
        """Whose slot it is."""
        return self._space.process

    def report(self, outcome: Outcome) -> None:
        """Take what became of a promotion; folded into the history before the next pass."""
        self._outcomes.append(outcome)

    def scan(self, stop: threading.Event) -> Counter[str] | None:
        """One pass; pages by what they were (see PassEnd), None when stopped before its end."""
        self._begin()
        counts: Counter[str] = Counter()
        vmas = self._space.vmas()
        vmas = vmas.where(eligible(vmas))
        for window in self._space.read(vmas):
            counts["examined"] += window.pages
            counts["discarded"] += window.discarded
            for block in window.blocks:
                self._fold(block, vmas, counts)
            self._history.forget_missing(window)
            if stop.is_set():
                return None
        self._history.end_pass()
        self.passes += 1
        return counts

    def _begin(self) -> None:
        generation = self._space.generation()
        if generation != self._generation:  # execve: nothing that was known holds any more
            self._generation = generation
            self._history = History()
            self._outcomes.clear()
            self._list.drop(self.process)
            self.passes = 0
        self._take_outcomes()
        self._moved.clear()
        if self.passes % self._settings.shared_recheck_passes == 0:
            self._history.forget_shared()

    def _take_outcomes(self) -> None:
        """A page that did not move has to prove itself again before it is tried again."""
        while self._outcomes:
            outcome = self._outcomes.popleft()
            promotion, moved = outcome.promotion, outcome.moved
            self._history.restart(promotion.addresses[~moved], promotion.pages_per_slot)
            self._moved.append(promotion.addresses[moved])

    def _fold(self, block: PageBlock, vmas: VmaTable, counts: Counter[str]) -> None:
        state = self._history.fold(block)
        hot = self._policy.hot(block, state)
        to_age = self._policy.to_age(block, state)
        count = _counter(counts, block.pages_per_slot)
        count("slow", block.slow)
        count("accessed", block.slow & block.accessed)
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
