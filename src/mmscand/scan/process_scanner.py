"""One watched process: its history, and a pass over it."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from mmscand.clock import CpuMeter
from mmscand.engine.registry import DEFAULT
from mmscand.machine import AddressSpace
from mmscand.model import (
    Outcome,
    Process,
    Topology,
    VmaFlag,
    VmaTable,
    Window,
)
from mmscand.observe.events import EffortChanged, PassEnd, PassStart
from mmscand.policy.eligible import countable
from mmscand.policy.interface import Policy
from mmscand.scan.block_processor import BlockProcessor
from mmscand.scan.context import ScanContext
from mmscand.scan.joined_windows import joined
from mmscand.scan.mappings import Mappings
from mmscand.scan.process_answers import ProcessAnswers
from mmscand.scan.rules import RuleMatch
from mmscand.scan.surveys import Surveys
from mmscand.scan.visit import Progress, Visit
from mmscand.scan.visit_times import VisitTimes
from mmscand.settings import Settings

_LATE_S = 1.0
"""A visit that comes later than this after it was due waits for the budget."""


class ProcessScanner:
    """One watched process. Owned by the scanner thread, but for `report` and `answers`."""

    def __init__(
        self,
        space: AddressSpace,
        settings: Settings,
        match: RuleMatch,
        make_policy: Callable[[Process], Policy],
        context: ScanContext,
    ) -> None:
        self._space = space
        self._context = context
        self.cpu = CpuMeter(context.clock)
        """Of visits to this process alone."""
        self._blocks = BlockProcessor(space, settings, make_policy, context)
        self._blocks.look.enabled = _looks(settings)
        self._mappings = Mappings(space, settings)
        self._surveys = Surveys(space, context.clock)
        self._progress = Progress()
        self.times = VisitTimes(space, settings, self._blocks, self._progress, self.cpu)
        self.answers = ProcessAnswers(
            space.process, self._blocks, self._mappings, self.times, self._progress, match
        )
        self.apply(match)
        self.due = 0.0
        """Clock time of the next visit, or of going on with one."""

    @property
    def process(self) -> Process:
        """The process that it scans."""
        return self._space.process

    def report(self, outcome: Outcome) -> None:
        """Take what became of a migration; folded into the history by the next visit."""
        self._blocks.candidates.report(outcome)

    def apply(self, match: RuleMatch) -> None:
        """Be scanned as hard as the rules say."""
        self.answers.match = match
        self._mappings.unseen_use = match.unseen_use
        self.times.pacer.aggressiveness = max(1, match.aggressiveness)

    def set_aging(self, group: str | None, why: str) -> None:
        """See scan.cgroup_aging.Member."""
        if self._blocks.candidates.shared_too != (group is not None):
            self._blocks.restart()  # bits of shared pages said nothing until now
        self._blocks.candidates.shared_too = group is not None
        self.answers.aging = why

    @property
    def _policy(self) -> Policy:
        return self._blocks.policy

    @property
    def worthwhile(self) -> bool:
        """See scan.visit_order.Visited."""
        return self.times.worthwhile

    @property
    def urgent(self) -> bool:
        """See VisitTimes.is_urgent."""
        return self.times.is_urgent

    @property
    def reads_soon(self) -> bool:
        """See VisitTimes."""
        return self.times.reads_soon

    @property
    def begins_long(self) -> bool:
        """Whether its next visit is the begin of one that may be cut into slices."""
        return self.times.is_long and not self.under_way

    @property
    def under_way(self) -> bool:
        """See scan.visit_order.Visited."""
        return self._progress.counts is not None

    @property
    def passes(self) -> int:
        """Complete ones."""
        return self._progress.passes

    @property
    def visit_cost_s(self) -> float:
        """CPU time of a visit, on the average."""
        return self.cpu.seconds / max(1, self._progress.visits)

    @property
    def saved_s(self) -> float:
        """Time that promoting saved the process so far, estimated."""
        return self._blocks.benefit.account.saved_s

    @property
    def identity(self) -> int:
        """See AddressSpace.identity."""
        return self._space.identity()

    @property
    def generation(self) -> int:
        """Of the address space that was looked at last."""
        return self._progress.generation

    def is_late(self, now: float) -> bool:
        """Whether its visit is overdue: it waits for the budget."""
        return self.due < now - _LATE_S

    def adopt(self, settings: Settings) -> None:
        """Run by other settings from the next visit on."""
        if settings.policy != self._mappings.settings.policy:
            self._blocks.restart()
        self._blocks.look.enabled = _looks(settings)
        self._policy.adopt(settings)
        self._mappings.settings = settings
        self.times.pacer.adopt(settings)
        self._blocks.benefit.adopt(settings)

    def adopt_topology(self, topology: Topology) -> None:
        """Nodes or their memory are others now; what is known of pages stays."""
        self._blocks.benefit.adopt_topology(topology)
        self._blocks.candidates.adopt_topology(topology)

    def skip(self, now: float) -> bool:
        """Leave out the visit that is due, if it may be; see VisitTimes."""
        return not self.under_way and self.times.skip(now)

    def visit(self, now: float, go_on: Callable[[], bool]) -> Visit | None:
        """Look at as much of the process as its pacing allows, from where the last visit ended.

        `go_on` is asked after each window. When it says no the answer is None, and the next call
        continues this visit.
        """
        self._progress.now = now
        self._follow_execve()
        every, vmas = self._mappings.read()
        self._context.watcher.mappings(self.process, every)
        counts = self._progress.counts
        if counts is None:
            counts = self._begin(now)
        began_at, pacer = self._progress.cursor, self.times.pacer
        most = pacer.most_pages(counts["accessed"]) - counts["examined"]
        for window in joined(self._space.read(self._due(vmas), began_at), most):
            self._take(window, vmas, counts)
            if counts["examined"] >= pacer.most_pages(counts["accessed"]):
                return self._end(counts, vmas, complete=False)
            if not go_on():
                return None
        self._end_pass(counts["aged"])
        if began_at and not counts["examined"]:  # the last visit had come just to the end
            self._progress.counts = None
            return self.visit(now, go_on)
        return self._end(counts, vmas, complete=True)

    def _follow_execve(self) -> None:
        """Of another address space nothing that was known holds any more."""
        generation = self._space.generation()
        if generation == self._progress.generation:
            return
        self._progress.restart(generation)
        self._blocks.restart()
        self._blocks.look.forget()
        self._blocks.candidates.forget()
        self._context.watcher.restart(self.process)

    def _end_pass(self, aged: int) -> None:
        """A pass came to the end of the address space; its visit aged this number of pages."""
        policy, benefit, progress = self._policy, self._blocks.benefit, self._progress
        if not policy.glances:
            benefit.end_pass(policy.history.rests)
        policy.end_pass()
        planned = policy.planned if progress.ages and not self._context.mode.moves else None
        if planned is not None:
            self._context.observer(benefit.weighed(self.process, planned))
        self._blocks.look.end_pass(progress.now)
        progress.end_pass()
        if progress.ages:
            of = (self.process, progress.passes, progress.generation)
            self._context.watcher.end_pass(*of, aged)

    def _due(self, vmas: VmaTable) -> VmaTable:
        """What of them a pass has to look at."""
        return vmas if self._context.watcher.wants_all else self._policy.history.due(vmas)

    def _take(self, window: Window, vmas: VmaTable, counts: Counter[str]) -> None:
        counts["examined"] += window.pages
        counts["discarded"] += window.discarded
        failures, ages = self.times.pacer.failures, self._progress.ages
        surveyed = ages and self.times.is_large and self._surveys.are_due(window, self.cpu.seconds)
        if surveyed:
            self._policy.begin_survey()
        for block in window.blocks:
            self._blocks.take(block, vmas, counts, failures, self._progress.now, ages=ages)
        if ages and self._policy.rereads:
            self._read_again(window, vmas)
        if surveyed:
            self._surveys.make(window, vmas, self._policy)
        self._progress.cursor = max(self._progress.cursor, window.end)

    def _read_again(self, window: Window, vmas: VmaTable) -> None:
        """What was just cleared of it, 0.2 ms later."""
        size = window.end - window.start
        mine = self._due(vmas).within(np.array([window.start], dtype=np.uint64), size)
        for again in joined(self._space.read(mine, window.start)):
            for block in again.blocks:
                self._policy.reread(countable(block, vmas))

    def _end(self, counts: Counter[str], vmas: VmaTable, *, complete: bool) -> Visit:
        self._progress.counts = None
        self._progress.visits += 1
        if complete:
            # Of one whose memory is bound to its node nothing can move, however much it has.
            movable = vmas.where(vmas.flags & VmaFlag.STAYS_FAST == 0).pages
            self.times.end_pass(min(self._space.resident_pages(), movable))
        self._blocks.candidates.use.end_visit(complete=complete)
        if not self._policy.glances:
            # Pages that must wait after a failure are no reason to come back soon.
            self.times.pacer.step(max(0, counts["useful"] - counts["held"]))
        if self._blocks.benefit.judge(self._progress.now, self.cpu.seconds):
            effort, why = self._blocks.benefit.effort, self._blocks.benefit.why
            self._context.observer(EffortChanged(self.process, effort, why))
        counts["skipped"] = self.times.skipped_before(counts["accessed"] + counts["fast_accessed"])
        return self._visit(counts, complete=complete)

    def _visit(self, counts: Counter[str], *, complete: bool) -> Visit:
        since = self._blocks.benefit.take()
        return Visit(self._progress.began, complete, counts, since.saved_s, since.spent_s)

    def _begin(self, now: float) -> Counter[str]:
        self.times.begin(now)
        progress, candidates = self._progress, self._blocks.candidates
        progress.begin(now, ages=self._policy.begin_pass(now))
        if progress.ages and progress.cursor == 0:
            self._surveys.begin_pass()
        candidates.begin_visit(self._policy, self.times.pacer.failures, now)
        rechecks = progress.passes % self._mappings.settings.shared_recheck_passes == 0
        if progress.cursor == 0 and rechecks:
            # Where bits of shared pages are cleared in bulk they mean something.
            shared = None if candidates.shared_too else self._space.shared
            self._policy.history.forget_stuck(shared)
        self._context.observer(PassStart(self.process, progress.passes + 1, progress.cursor))
        counts = progress.counts = Counter[str]()  # last: what failed before it is done again
        return counts

    def interrupted(self) -> PassEnd | None:
        """A visit that will not go on, as an event: what it queued may have moved already."""
        if self._progress.counts is None:
            return None
        counts, self._progress.counts = self._progress.counts, None
        visit = self._visit(counts, complete=False)
        return visit.event(self.process, self.passes, self._progress.now - self._progress.began)

    def close(self) -> None:
        """Drop the process' entries and let go of it."""
        self._context.migration_list.drop(self.process)
        self._policy.close()
        self._space.close()
        self._context.watcher.left(self.process, self.passes, self._progress.generation)


def _looks(settings: Settings) -> bool:
    """By the policy that ranks pages: the others are those of the RFC, which does not look."""
    return settings.split_huge_pages and settings.policy == DEFAULT
