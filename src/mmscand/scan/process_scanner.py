"""One watched process: its history, and a pass over it."""

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from mmscand.clock import CpuMeter
from mmscand.engine.registry import DEFAULT
from mmscand.machine import AddressSpace
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import (
    Outcome,
    Process,
    Topology,
    VmaFlag,
    VmaTable,
    Window,
)
from mmscand.observe.events import EffortChanged, Observer, PassEnd, PassStart
from mmscand.observe.status import ProcessState, ProcessStatus
from mmscand.policy.eligible import countable
from mmscand.policy.interface import Policy
from mmscand.policy.placement import Placement, served
from mmscand.scan.benefit import FULL, SLOWED, STOPPED, Benefit
from mmscand.scan.block_processor import BlockProcessor
from mmscand.scan.candidates import Candidates
from mmscand.scan.idle import IdleWatch, ProgramTime
from mmscand.scan.joined_windows import joined
from mmscand.scan.mappings import Mappings
from mmscand.scan.mode import Mode
from mmscand.scan.process_answers import ProcessAnswers
from mmscand.scan.rules import RuleMatch
from mmscand.scan.surveys import Surveys
from mmscand.scan.visit import Visit, Watcher
from mmscand.scan.visit_times import VisitTimes
from mmscand.settings import Settings

_STATES: Mapping[str, ProcessState] = {FULL: "watched", SLOWED: "slowed", STOPPED: "stopped"}
_LATE_S = 1.0
"""A visit that comes later than this after it was due waits for the budget."""


class ProcessScanner:
    """One watched process. Owned by the scanner thread, but for `report`."""

    def __init__(
        self,
        space: AddressSpace,
        topology: Topology,
        migration_list: MigrationList,
        settings: Settings,
        match: RuleMatch,
        make_policy: Callable[[Process], Policy],
        *,
        mode: Mode,
        aging: CpuMeter,
        cpu: CpuMeter,
        surveys: Surveys,
        observer: Observer,
        watcher: Watcher,
    ) -> None:
        self._space = space
        self._topology = topology
        self.cpu = cpu
        """Of visits to this process alone."""
        self._surveys = surveys
        self._observer = observer
        self._watcher = watcher
        self._benefit = Benefit(topology, settings)
        self._candidates = Candidates(space, topology, migration_list, self._benefit)
        self._idle = IdleWatch(space.cpu_ns)
        self._program_time = ProgramTime(space.cpu_ns)
        self._list = migration_list
        self._settings = settings
        self._mode = mode
        self._generation = 0
        self._blocks = BlockProcessor(
            space,
            self._candidates,
            self._benefit,
            make_policy,
            aging,
            watcher,
            mode=mode,
        )
        self._blocks.look.enabled = _looks(settings)
        self._mappings = Mappings(space, settings)
        self.answers = ProcessAnswers(
            space.process, self._blocks, self._candidates, self._benefit, self._mappings
        )
        pages = space.resident_pages()
        self.times = VisitTimes(settings, self._blocks, self._benefit, self._idle, cpu, pages)
        self._cursor = 0
        self._counts: Counter[str] | None = None
        """Of the visit that was interrupted; None between visits."""
        self._ages = True
        """This visit clears what later ones read."""
        self._aged_by = ""
        self._visits = 0
        self.apply(match)
        self.passes = 0
        self.due = 0.0
        """Clock time of the next visit, or of going on with one."""

    @property
    def process(self) -> Process:
        """The process that it scans."""
        return self._space.process

    def report(self, outcome: Outcome) -> None:
        """Take what became of a migration; folded into the history by the next visit."""
        self._candidates.report(outcome)

    def apply(self, match: RuleMatch) -> None:
        """Be scanned as hard as the rules say."""
        self.match = match
        self.times.pacer.aggressiveness = max(1, match.aggressiveness)

    def set_aging(self, group: str | None, why: str) -> None:
        """See scan.cgroup_aging.Member."""
        if self._candidates.shared_too != (group is not None):
            self._blocks.restart()  # bits of shared pages said nothing until now
        self._candidates.shared_too = group is not None
        self._aged_by = why

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
        return self.times.is_urgent(self.passes)

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
        return self._counts is not None

    @property
    def visit_cost_s(self) -> float:
        """CPU time of a visit, on the average."""
        return self.cpu.seconds / max(1, self._visits)

    @property
    def saved_s(self) -> float:
        """Time that promoting saved the process so far, estimated."""
        return self._benefit.account.saved_s

    @property
    def identity(self) -> int:
        """See AddressSpace.identity."""
        return self._space.identity()

    @property
    def generation(self) -> int:
        """Of the address space that was looked at last."""
        return self._generation

    def status(
        self, counters: Mapping[str, float], now: float, placed: Placement | None
    ) -> ProcessStatus:
        """How the process stands, `placed` being its placement; may be called from any thread."""
        preferred = self._candidates.use.preferred
        part = served([placed]) if placed is not None else None
        return ProcessStatus(
            process=self.process,
            state=self._state(now),
            fast_pages=placed.sizes[1] if placed else None,
            slow_pages=placed.sizes[0] if placed else None,
            hot_slow_pages=placed.hot_slow if placed else None,
            slow_by_reason=placed.slow if placed else {},
            fast_ratio=part.share if part else None,
            passes=self.passes,
            aggressiveness=self.match.aggressiveness,
            rule=str(self.match),
            scan_period_ms=self.times.period_ms,
            exposure_ms=round(1000 * (self._policy.exposure_s or 0.0)) or None,
            changes=self._policy.changes,
            scan_size_mb=self.times.pacer.pace.size_mb,
            cursor=self._cursor,
            aging=self._aged_by,
            target_node=preferred[0] if preferred else None,
            useful_pages=self.times.pacer.pace.useful_pages,
            failed_percent=self.times.pacer.failures.percent,
            effort=self._benefit.effort,
            effort_why=self._benefit.why,
            saved_s=self._benefit.account.saved_s,
            spent_s=self._benefit.account.spent_s,
            hotness=self._policy.history.hotness(self._topology),
            skipped_mappings=self._mappings.skipped.mappings,
            skipped_pages=self._mappings.skipped.pages,
            counters=counters,
        )

    def _state(self, now: float) -> ProcessState:
        if self.is_late(now):
            return "waits"
        if not self.passes:
            return "new"
        if self._idle.skipped:
            return "idle"
        return _STATES[self._benefit.effort]

    def is_late(self, now: float) -> bool:
        """Whether its visit is overdue: it waits for the budget."""
        return self.due < now - _LATE_S

    def adopt(self, settings: Settings) -> None:
        """Run by other settings from the next visit on."""
        before, self._settings = self._settings, settings
        if settings.policy != before.policy:
            self._blocks.restart()
        self._blocks.look.enabled = _looks(settings)
        self._policy.adopt(settings)
        self._mappings.settings = settings
        self.times.adopt(settings)
        self._benefit.adopt(settings)

    def adopt_topology(self, topology: Topology) -> None:
        """Nodes or their memory are others now; what is known of pages stays."""
        self._topology = topology
        self._benefit.adopt_topology(topology)
        self._candidates.adopt_topology(topology)

    def skip(self, now: float) -> bool:
        """Leave out the visit that is due, if the process has not run since the last one.

        A pass that found nothing, for the pacing; for the history none, so that it stays. Of a new
        process it is an observation: nobody else can say that its pages are cold.
        """
        if self.under_way or self._policy.makes_room:
            return False
        if not self._idle.skip(large=self.times.is_large):
            return False
        self.times.began = self.times.now = now
        slept_s = self._program_time.slept(now)
        if not self._policy.hurries:
            self._policy.slept(slept_s)
        self.times.pacer.step(0)
        return True

    def visit(self, now: float, go_on: Callable[[], bool]) -> Visit | None:
        """Look at as much of the process as its pacing allows, from where the last visit ended.

        `go_on` is asked after each window. When it says no the answer is None, and the next call
        continues this visit.
        """
        self.times.now = now
        generation = self._space.generation()
        if generation != self._generation:  # execve: nothing that was known holds any more
            self._forget_all(generation)
        every, vmas = self._mappings.read(unseen_use=self.match.unseen_use)
        self._watcher.mappings(self.process, every)
        counts = self._begin(now) if self._counts is None else self._counts
        began_at = self._cursor
        most = self.times.pacer.most_pages(counts["accessed"]) - counts["examined"]
        for window in joined(self._space.read(self._due(vmas), self._cursor), most):
            self._take(window, vmas, counts)
            most = self.times.pacer.most_pages(counts["accessed"])
            if counts["examined"] >= most:
                return self._end(counts, vmas, complete=False)
            if not go_on():
                return None
        self._cursor = 0
        if not self._policy.glances:
            self._benefit.end_pass(self._policy.history.rests)
        self._policy.end_pass()
        if not self._mode.moves and self._ages and (planned := self._policy.planned) is not None:
            self._observer(self._benefit.weighed(self.process, planned))
        self._blocks.look.end_pass(now)
        self.passes += 1
        if self._ages:
            self._watcher.end_pass(self.process, self.passes, self._generation, counts["aged"])
        if began_at and not counts["examined"]:  # the last visit had come just to the end
            self._counts = None
            return self.visit(now, go_on)
        return self._end(counts, vmas, complete=True)

    def _due(self, vmas: VmaTable) -> VmaTable:
        """What of them a pass has to look at."""
        return vmas if self._watcher.wants_all else self._policy.history.due(vmas)

    def _take(self, window: Window, vmas: VmaTable, counts: Counter[str]) -> None:
        counts["examined"] += window.pages
        counts["discarded"] += window.discarded
        failures, ages = self.times.pacer.failures, self._ages
        surveyed = ages and self.times.is_large and self._surveys.are_due(window, self.cpu.seconds)
        if surveyed:
            self._policy.begin_survey()
        for block in window.blocks:
            self._blocks.take(block, vmas, counts, failures, self.times.now, ages=ages)
        if ages and self._policy.rereads:
            self._read_again(window, vmas)
        if surveyed:
            self._surveys.make(window, vmas, self._policy)
        self._cursor = max(self._cursor, window.end)

    def _read_again(self, window: Window, vmas: VmaTable) -> None:
        """What was just cleared of it, 0.2 ms later."""
        size = window.end - window.start
        mine = self._due(vmas).within(np.array([window.start], dtype=np.uint64), size)
        for again in joined(self._space.read(mine, window.start)):
            for block in again.blocks:
                self._policy.reread(countable(block, vmas))

    def _end(self, counts: Counter[str], vmas: VmaTable, *, complete: bool) -> Visit:
        self._counts = None
        self._visits += 1
        if complete:
            # Of one whose memory is bound to its node nothing can move, however much it has.
            movable = vmas.where(vmas.flags & VmaFlag.STAYS_FAST == 0).pages
            self.times.pages = min(self._space.resident_pages(), movable)
        self._candidates.use.end_visit(complete=complete)
        if not self._policy.glances:
            # Pages that must wait after a failure are no reason to come back soon.
            self.times.pacer.step(max(0, counts["useful"] - counts["held"]))
        if self._benefit.judge(self.times.now, self.cpu.seconds):
            effort, why = self._benefit.effort, self._benefit.why
            self._observer(EffortChanged(self.process, effort, why))
        counts["skipped"] = self._idle.taken(counts["accessed"] + counts["fast_accessed"])
        return self._visit(counts, complete=complete)

    def _visit(self, counts: Counter[str], *, complete: bool) -> Visit:
        since = self._benefit.take()
        return Visit(self.times.began, complete, counts, since.saved_s, since.spent_s)

    def _forget_all(self, generation: int) -> None:
        self._generation = generation
        self._blocks.restart()
        self._blocks.look.forget()
        self._candidates.forget()
        self._watcher.restart(self.process)
        self._cursor = self.passes = 0
        self._counts = None

    def _begin(self, now: float) -> Counter[str]:
        history = self._policy.history
        if stood_still := self._program_time.stood_still(now):
            self._policy.slept(stood_still)
        self._ages = self._policy.begin_pass(now)
        self.times.begin(now)
        if self._ages and self._cursor == 0:
            self._surveys.begin_pass()
        self._candidates.begin_visit(self._policy, self.times.pacer.failures, now)
        if self._cursor == 0 and self.passes % self._settings.shared_recheck_passes == 0:
            # Where bits of shared pages are cleared in bulk they mean something.
            history.forget_stuck(None if self._candidates.shared_too else self._space.shared)
        self._observer(PassStart(self.process, self.passes + 1, self._cursor))
        self._counts = Counter()
        return self._counts

    def interrupted(self) -> PassEnd | None:
        """A visit that will not go on, as an event: what it queued may have moved already."""
        if self._counts is None:
            return None
        counts, self._counts = self._counts, None
        visit = self._visit(counts, complete=False)
        return visit.event(self.process, self.passes, self.times.now - self.times.began)

    def close(self) -> None:
        """Drop the process' entries and let go of it."""
        self._list.drop(self.process)
        self._policy.close()
        self._space.close()
        self._watcher.left(self.process, self.passes, self._generation)


def _looks(settings: Settings) -> bool:
    """By the policy that ranks pages: the others are those of the RFC, which does not look."""
    return settings.split_huge_pages and settings.policy == DEFAULT
