"""What of one process goes to the migration list: what a policy chose and what may move."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmscand.heat.history import History
from mmscand.heat.state import PASSES, accessed_passes
from mmscand.machine import AddressSpace
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import (
    PAGE_BYTES,
    AllowedNodes,
    BoolArray,
    IntArray,
    Migration,
    Outcome,
    PageBlock,
    PageNumbers,
    StateArray,
    Topology,
    UIntArray,
    VmaTable,
)
from mmscand.policy.back_off import BackOff
from mmscand.policy.interface import Held, Policy
from mmscand.policy.repromotion_guard import RepromotionGuard
from mmscand.policy.target import may_be_demoted, may_be_promoted
from mmscand.scan.benefit import Benefit
from mmscand.scan.moves_log import MovesLog
from mmscand.scan.node_use import NodeUse
from mmscand.scan.pacing import FailureRatio
from mmscand.sets import among, distinct


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is asked of the slots of one block that are to move; one entry each, ascending."""

    addresses: UIntArray
    pages_per_slot: int
    states: StateArray
    sources: IntArray
    allowed: AllowedNodes
    demotes: bool


class Candidates:
    """Owned by the scanner thread; only `report` is called from another one."""

    def __init__(
        self,
        space: AddressSpace,
        topology: Topology,
        migration_list: MigrationList,
        benefit: Benefit,
    ) -> None:
        self._space = space
        self.topology = topology
        self._list = migration_list
        self._benefit = benefit
        self._outcomes: deque[Outcome] = deque()
        self._moved: UIntArray = np.empty(0, dtype=np.uint64)
        """Sorted addresses that moved since this visit began: it may have read them before."""
        self._back_off, self._guard = BackOff(), RepromotionGuard()
        self.moves = MovesLog()
        self.use = NodeUse(topology)
        self.shared_too = False
        """Whether the bits of pages that others map too are cleared, and so mean something."""

    def adopt_topology(self, topology: Topology) -> None:
        """Which nodes there are has changed: where memory is used is found out again."""
        self.topology, self.use = topology, NodeUse(topology)

    def report(self, outcome: Outcome) -> None:
        """Take what became of a migration; looked at when the scanner comes by."""
        self._outcomes.append(outcome)

    def begin_visit(self, policy: Policy, failures: FailureRatio, now: float) -> None:
        """Start again with what has moved."""
        self.take_outcomes(policy, failures, now)
        self._moved = np.empty(0, dtype=np.uint64)
        self._benefit.begin_visit()

    def forget(self) -> None:
        """The process has another address space: nothing that was known holds any more."""
        self._list.drop(self._space.process)
        self._outcomes.clear()
        self._back_off, self._guard = BackOff(), RepromotionGuard()
        self.moves = MovesLog()
        self._benefit.restart()
        self.use = NodeUse(self.topology)

    def take_outcomes(self, policy: Policy, failures: FailureRatio, now: float) -> None:
        """A page that did not move has to wait if it was its own fault.

        One that was demoted has to wait before it is promoted again.
        """
        while self._outcomes:
            outcome = self._outcomes.popleft()
            migration, moved = outcome.migration, outcome.moved
            self._benefit.note(outcome)
            arrived, size = outcome.arrived, migration.pages_per_slot
            policy.moved(migration.addresses[arrived], size)
            self.moves.note(migration.addresses[moved], now, demotes=migration.demotes)
            policy.not_moved(migration.addresses[~arrived], size, demotes=migration.demotes)
            if migration.demotes:
                self._guard.demoted(migration.addresses[moved], now)
            self._back_off.note(migration.addresses, outcome.status, now)
            both = np.concatenate((self._moved, migration.addresses[arrived]))
            self._moved = np.sort(both, kind="stable")
            tried, pages = np.count_nonzero(outcome.tried), np.count_nonzero(moved)
            failures.add(int(pages) * size, int(tried - pages) * size)

    def kept_back(self, start: int, end: int) -> Iterator[tuple[str, UIntArray]]:
        """Slots of a range that are on the list, and those that would not move, ascending, with the
        reason (reasons.REASONS); from any thread.
        """
        known, _ = self._back_off.known(0.0)
        first, last = np.searchsorted(known, np.array([start, end], dtype=np.uint64))
        yield "refused", known[first:last]
        yield "queued", self._list.on_list(self._space.process, start, end)

    def held_for(self, address: int, now: float) -> tuple[int, float]:
        """How often in a row a slot would not move, and seconds until it may be tried again or
        promoted again; from any thread.
        """
        failures, wait_s = self._back_off.held(address, now)
        return failures, max(wait_s, self._guard.left_s(address, now))

    def held(self, block: PageBlock, now: float) -> Held | None:
        """Slots that would not move; None where there is none."""
        known, due = self._back_off.known(now)
        inside, rows, columns = _places(block, known)
        if not len(rows):
            return None
        held = Held(*np.zeros((2, *block.present.shape), dtype=np.bool_))
        held.slots[rows, columns], held.due[rows, columns] = True, due[inside]
        return held

    def queue(
        self,
        block: PageBlock,
        state: StateArray,
        chosen: BoolArray,
        vmas: VmaTable,
        policy: Policy,
        failures: FailureRatio,
        counts: Counter[str],
        now: float,
        *,
        demotes: bool = False,
    ) -> BoolArray:
        """Put slots on the migration list, up or down; those that it has taken now.

        These need not be aged: the page takes its Accessed bit along and is young on its new node.
        What waits there for longer is aged, so that it is seen when it cools.
        """
        slots = self._chosen(block, state, chosen, vmas, demotes=demotes)
        masks = self._kept_back(slots, policy.history, now)
        # Last: what moved, or failed, while the kernel was asked must not be offered again.
        self.take_outcomes(policy, failures, now)
        moved = among(slots.addresses, self._moved)
        wanted = ~np.logical_or.reduce([*masks.values(), moved])
        failed = wanted & self._back_off.holds(slots.addresses, now)
        masks["held"] |= failed
        wanted &= ~failed
        masks["queued"] = self._offer(slots, wanted)
        for name, mask in masks.items():
            counts[name] += block.pages_in(mask)
        result = np.zeros_like(chosen)
        result[chosen] = masks["queued"]
        return result

    def _chosen(
        self,
        block: PageBlock,
        state: StateArray,
        chosen: BoolArray,
        vmas: VmaTable,
        *,
        demotes: bool,
    ) -> _Chosen:
        addresses = block.slot_addresses(chosen)
        return _Chosen(
            addresses,
            block.pages_per_slot,
            states=state[chosen],
            sources=self.topology.nodes_of(block.frames[chosen]),
            allowed=self._space.allowed_nodes(addresses, vmas),
            demotes=demotes,
        )

    def _kept_back(self, slots: _Chosen, history: History, now: float) -> dict[str, BoolArray]:
        """Which slots are not to be queued, by the name of the counter that says why."""
        held = self._back_off.holds(slots.addresses, now)
        if not slots.demotes:
            held |= self._guard.forbids(slots.addresses, slots.states, now)
        shared = np.zeros_like(held)
        # That one process has no use for a page says nothing of the others: of 242 pages that
        # were demoted so in PostgreSQL, 227 were promoted again.
        if not self.shared_too or slots.demotes:
            shared[~held] = self._space.shared(slots.addresses[~held])
        history.mark_stuck(slots.addresses[shared], slots.pages_per_slot)
        bound = ~held & ~shared & ~self._may_move(slots)
        waiting = self.on_list(slots.addresses)
        return {"held": held, "shared": shared, "bound": bound, "waiting": waiting}

    def on_list(self, addresses: UIntArray) -> BoolArray:
        """Which of these ascending addresses wait for the migrator or are in its hands."""
        if not len(addresses):
            return np.zeros(0, dtype=np.bool_)
        first, last = int(addresses[0]), int(addresses[-1])
        return among(addresses, self._list.on_list(self._space.process, first, last + 1))

    def withdraw(self, block: PageBlock, stays: BoolArray) -> int:
        """Strike off slots that wait and had better stay where they are; 4 KiB pages.

        This is the check before the move. The migrator could read the bits too, but has nothing to
        judge them by: a bit that was cleared a moment ago says nothing, one that stays clear from
        pass to pass does.
        """
        end = int(block.addresses[-1]) + block.present.shape[1] * block.pages_per_slot * PAGE_BYTES
        on_list = self._list.on_list(self._space.process, int(block.addresses[0]), end)
        _, rows, columns = _places(block, on_list)
        gone = np.zeros_like(stays)
        gone[rows, columns] = stays[rows, columns]
        if not gone.any():
            return 0
        withdrawn = self._list.withdraw(self._space.process, block.slot_addresses(gone))
        return withdrawn * block.pages_per_slot

    def _may_move(self, slots: _Chosen) -> BoolArray:
        """Which slots have a node to go to that their owner allows."""
        test = may_be_demoted if slots.demotes else may_be_promoted
        result = np.zeros(len(slots.addresses), dtype=np.bool_)
        known = slots.sources[slots.sources >= 0]  # not of memory that was added since the start
        for source in distinct(known).tolist():
            may = [test(self.topology, source, nodes) for nodes in slots.allowed.sets]
            mine = slots.sources == source
            result[mine] = np.array(may)[slots.allowed.of[mine]]
        return result

    def _offer(self, slots: _Chosen, wanted: BoolArray) -> BoolArray:
        """Which of the slots are on the list now; one offer for each kind of page."""
        on_list = np.zeros(len(wanted), dtype=np.bool_)
        which = np.flatnonzero(wanted)
        # As one number each: to distinguish rows of three by sorting them costs 300 ns a slot.
        every = (
            accessed_passes(slots.states[which]),
            slots.sources[which],
            slots.allowed.of[which],
        )
        shape = (PASSES + 1, int(slots.sources.max(initial=0)) + 1, len(slots.allowed.sets))
        kinds = np.ravel_multi_index(every, shape)
        for kind in np.flatnonzero(np.bincount(kinds))[::-1]:  # the hottest first
            mine = which[kinds == kind]
            heat, source, nodes = (int(part) for part in np.unravel_index(kind, shape))
            migration = Migration(
                self._space.process,
                slots.addresses[mine],
                slots.pages_per_slot,
                source,
                self.use.preferred,
                slots.allowed.sets[nodes],
                self.shared_too,
                heat,
                slots.demotes,
            )
            accepted = self._list.offer(migration)
            on_list[mine] = among(slots.addresses[mine], accepted)
        return on_list


def _places(block: PageBlock, addresses: UIntArray) -> tuple[PageNumbers, PageNumbers, PageNumbers]:
    """Which of some ascending addresses are slots of a block, and their rows and columns."""
    step = np.uint64(block.pages_per_slot * PAGE_BYTES)
    first = int(np.searchsorted(addresses, block.addresses[0]))
    some = addresses[first:]
    rows = np.searchsorted(block.addresses, some, side="right") - 1
    columns = ((some - block.addresses[rows]) // step).astype(np.intp)
    there = np.flatnonzero(columns < block.present.shape[1])
    return there + first, rows[there], columns[there]
