"""What is done with a block of one process: choose, queue, age."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mmscand.heat.state import accessed_in_a_row
from mmscand.machine import AddressSpace
from mmscand.model import (
    HUGE_PAGE_BYTES,
    BoolArray,
    PageBlock,
    Process,
    StateArray,
    VmaFlag,
    VmaTable,
)
from mmscand.policy.eligible import countable
from mmscand.policy.interface import Decision, Policy
from mmscand.scan.benefit import Benefit
from mmscand.scan.candidates import Candidates
from mmscand.scan.context import ScanContext
from mmscand.scan.huge_look import HugeLook
from mmscand.scan.pacing import FailureRatio
from mmscand.settings import Settings


class BlockProcessor:
    """Of one process. Owned by the scanner thread."""

    def __init__(
        self,
        space: AddressSpace,
        settings: Settings,
        make_policy: Callable[[Process], Policy],
        context: ScanContext,
    ) -> None:
        topology = context.machine.topology()
        self._space = space
        self._context = context
        self.benefit = Benefit(topology, settings)
        self.candidates = Candidates(space, topology, context.migration_list, self.benefit)
        self.look = HugeLook(space, self.candidates.on_list)
        self._make_policy = make_policy
        self.policy = make_policy(space.process)

    def restart(self) -> None:
        """Nothing that is known of its pages says anything any more."""
        self.policy.close()
        self.policy = self._make_policy(self._space.process)

    def take(
        self,
        block: PageBlock,
        vmas: VmaTable,
        counts: Counter[str],
        failures: FailureRatio,
        now: float,
        *,
        ages: bool,
    ) -> None:
        """Take in what a visit saw; `ages` says whether this clears what later ones read."""
        block = self._without_rest(countable(block, vmas), counts)
        if not len(block.addresses):
            return
        held = self.look.held(block, self.candidates.held(block, now))
        decision = self.policy.decide(block, held)
        hot = decision.promote
        if held is not None:
            waits = held.slots & ~held.due & block.slow & block.accessed
            counts["held"] += block.pages_in(waits)
            hot = hot | waits
        counts.update(_counted(block, decision.state, hot, decision.demote))
        self.candidates.use.see(block)
        if ages:
            self._context.watcher.see(self._space.process, block, decision.state)
        if not self._context.mode.moves:
            if ages and self._context.mode.ages:
                self._age(block, decision.to_age, vmas, counts)
            return
        counts["cooled"] += self.candidates.withdraw(block, decision.cancel)
        up = decision.promote if self.benefit.promotes else np.zeros_like(decision.promote)
        decision = replace(decision, promote=self.look.take(block, up, vmas, now))
        to_age = decision.to_age & ~self._queue(block, decision, vmas, counts, failures, now)
        if self.candidates.use.chooses and ages:
            to_age |= self.candidates.use.to_age(block)
        self.benefit.look(block, to_age, counts, more=ages)
        if ages:
            self._age(block, to_age, vmas, counts)
        self.look.act(block, counts, now)

    def _without_rest(self, block: PageBlock, counts: Counter[str]) -> PageBlock:
        """The rows in which something may have happened. Where huge pages are split to look into
        them, silence is a finding.
        """
        if self.look.watches(block) or (at_rest := self.policy.at_rest(block)) is None:
            return block
        counts["slow"] += block.pages_in(block.slow[at_rest])
        return block.where(~at_rest)

    def _queue(
        self,
        block: PageBlock,
        decision: Decision,
        vmas: VmaTable,
        counts: Counter[str],
        failures: FailureRatio,
        now: float,
    ) -> BoolArray:
        """Put what was chosen on the migration list; the slots that it has taken."""
        queued = [np.zeros_like(decision.promote)] * 2
        wanted = (decision.promote, decision.demote)
        for demotes in (True, False):  # what is promoted may need the room
            chosen = wanted[demotes]
            if chosen.any():
                given = (block, decision.state, chosen, vmas, self.policy, failures, counts, now)
                queued[demotes] = self.candidates.queue(*given, demotes=demotes)
        up, down = map(block.pages_in, queued)
        self.policy.queued(promoted=up, demoted=down)
        return queued[0] | queued[1]

    def _age(self, block: PageBlock, mask: BoolArray, vmas: VmaTable, counts: Counter[str]) -> None:
        if self.candidates.shared_too and mask.any():
            mask = mask & ~_aged_in_bulk(block, vmas)
        if (watched := self.look.to_age(block)) is not None:
            mask = mask | watched
        with self._context.aging:
            aged = self._space.age(block, mask, vmas)
        self.look.cleared(block)
        self.policy.history.mark_stuck(aged.missed, block.pages_per_slot)
        self.benefit.unaged(aged.missed)
        if aged.pages:
            self.policy.aged(block)
        counts["aged"] += aged.pages
        counts["unaged"] += len(aged.missed) * block.pages_per_slot


def _aged_in_bulk(block: PageBlock, vmas: VmaTable) -> BoolArray:
    """Slow-tier slots of rows that lie in a shared mapping: others map most of their pages too.

    MADV_COLD passes over those, after a look at each: 46 ns, where aging it takes 75.
    """
    first = vmas.index_of(block.addresses)
    last = vmas.index_of(block.addresses + np.uint64(HUGE_PAGE_BYTES - 1))
    whole = (first >= 0) & (first == last)
    shared: BoolArray = whole & (vmas.flags[first] & np.uint16(VmaFlag.SHARED) != 0)
    result: BoolArray = block.slow & shared[:, None]
    return result


def _counted(
    block: PageBlock, state: StateArray, hot: BoolArray, cold: BoolArray
) -> dict[str, int]:
    """4 KiB pages by what they are; `useful` is what pacing goes by, see observe.counters."""
    slow_accessed = block.slow & block.accessed
    slots = {
        "slow": _count(block.slow),
        "accessed": _count(slow_accessed),
        "useful": _count(block.slow & accessed_in_a_row(state, 1)),
        "hot": _count(hot),
        "cold": _count(cold),
    }
    # By subtraction: a count of a mask costs a fifth of making one.
    slots["fast"] = _count(block.present) - slots["slow"]
    slots["fast_accessed"] = _count(block.accessed) - slots["accessed"]
    return {name: number * block.pages_per_slot for name, number in slots.items()}


def _count(mask: BoolArray) -> int:
    return int(np.count_nonzero(mask))
