"""When a process is visited: by its pacing, or as soon as its policy asks."""

from mmscand.clock import CpuMeter
from mmscand.machine import AddressSpace
from mmscand.model import PAGE_BYTES, REGION_BYTES
from mmscand.scan import coalesced_timers as timers
from mmscand.scan.benefit import FULL
from mmscand.scan.block_processor import BlockProcessor
from mmscand.scan.idle import IdleWatch, ProgramTime
from mmscand.scan.pacing import DEFAULT_AGGRESSIVENESS, Pacer
from mmscand.scan.visit import Progress
from mmscand.settings import Settings

_REST = 4.0
"""Times the CPU time since the latest rest, before the next visit that a policy asks for: a fifth
of a core at most, but for one that is new or has changed. In emulation a visit takes 0.4 s."""
_LONG_REST_S = 0.25
"""The first read soon after bits were cleared does not wait for a longer rest, as all pages that
are used now and then would be found accessed. The rest comes after it. In emulation, where reads
came after 2 s: hits of the grid at the end 44 and 46 %, before 44 and 37 %, and 21 and 22 % on a
busy host."""
_LEAST_WAIT_S = 1e-3
"""Before a process that did not run is asked for again."""
_LARGE_PAGES = 4096
"""16 MiB of memory: worth its turn before small ones, and a burst while it is new."""
_LONG_PAGES = REGION_BYTES // PAGE_BYTES
"""A visit to more than 1 GiB has several windows, so it may be cut."""
_NEW_PASSES = 4
"""Passes in which a large process is new: as many as the first promotions take."""
_PROMISING_PAGES = 256
"""Hot pages on the slow tier, 1 MiB: worth its turn too."""


class VisitTimes:
    """Of one process. Owned by the scanner thread."""

    def __init__(
        self,
        space: AddressSpace,
        settings: Settings,
        blocks: BlockProcessor,
        progress: Progress,
        cpu: CpuMeter,
    ) -> None:
        """`cpu` is that of visits to this process."""
        self._blocks = blocks
        self._progress = progress
        self._cpu = cpu
        self._cpu_before_s = 0.0
        """Of all visits up to the latest rest."""
        self._put_off = False
        """The latest visit came before its rest. The next one does not: where others make visits
        late, each would clear bits again, and none rest.
        """
        self._idle = IdleWatch(space.cpu_ns)
        self._program_time = ProgramTime(space.cpu_ns)
        self._pages = space.resident_pages()
        """That may move, as of the last complete pass; at first all resident ones."""
        self.pacer = Pacer(settings, throttle=blocks.benefit)

    def begin(self, now: float) -> None:
        """A visit begins."""
        policy = self._blocks.policy
        self._put_off = self._rests_later
        if not self._put_off:
            self._cpu_before_s = self._cpu.seconds
        if stood_still := self._program_time.stood_still(now):
            policy.slept(stood_still)

    def end_pass(self, pages: int) -> None:
        """A pass is complete: this number of resident pages may move."""
        self._pages = pages

    def skip(self, now: float) -> bool:
        """Leave out the visit that is due, if the process has not run since the last one.

        A pass that found nothing, for the pacing; for the history none, so that it stays. Of a new
        process it is an observation: nobody else can say that its pages are cold.
        """
        policy = self._blocks.policy
        if policy.makes_room or not self._idle.skip(large=self.is_large):
            return False
        self._progress.began = self._progress.now = now
        slept_s = self._program_time.slept(now)
        if not policy.hurries:
            policy.slept(slept_s)
        self.pacer.step(0)
        return True

    def skipped_before(self, accessed: int) -> int:
        """Visits that were left out before one that found this number of 4 KiB pages accessed."""
        return self._idle.taken(accessed)

    @property
    def sleeps(self) -> bool:
        """Whether the latest visit was left out."""
        return self._idle.skipped > 0

    @property
    def period_ms(self) -> int:
        """From the begin of the latest visit to that of the next."""
        if self._wanted_at is None:
            return self.pacer.period_ms
        began = self._progress.began
        return round(1000 * (self.after(began) - began))

    def after(self, began: float) -> float:
        """Clock time of the visit that follows one, or the time it is asked for again."""
        if (wanted_at := self._wanted_at) is None:
            return timers.next_visit(began, self.pacer.period_ms / 1000)
        # As soon as the policy asks, but no sooner than the rules allow for this process. Not on
        # the grid: a visit just before a round ends has no result, and the end comes much later.
        slower = DEFAULT_AGGRESSIVENESS / min(self.pacer.aggressiveness, DEFAULT_AGGRESSIVENESS)
        due = began + slower * max(0.0, wanted_at - began)
        return timers.next_visit(began, due - began) if self._idle.skipped else due

    @property
    def _wanted_at(self) -> float | None:
        """When the policy wants the next visit; None where the pacing says it, as for small
        processes: 300 of them that are visited ten times a second each cost a core.
        """
        policy = self._blocks.policy
        due = policy.due_s
        if due is None or not self.is_large:
            return None
        if self.pacer.settings.profile != "auto" or self._blocks.benefit.effort != FULL:
            return None
        if self._idle.skipped:  # it does not run: each time it is asked whether it does wakes us
            wait_s = max(due - self._progress.now, _LEAST_WAIT_S) * 2.0**self._idle.skipped
            return self._progress.now + min(wait_s, self.pacer.period_ms / 1000)
        if policy.hurries or self._rests_later:
            return due
        return max(due, self._progress.now + self._rest_s)

    @property
    def _rest_s(self) -> float:
        return _REST * (self._cpu.seconds - self._cpu_before_s)

    @property
    def _rests_later(self) -> bool:
        """Whether the next visit reads in time what the latest one has cleared: the first read of a
        round. The others rest, else a process with short rounds would never.
        """
        may_be = self._progress.ages and not self._put_off
        return may_be and self._blocks.policy.reads_soon and self._rest_s > _LONG_REST_S

    @property
    def is_large(self) -> bool:
        """Whether it is worth its turn before small ones."""
        return self._pages >= _LARGE_PAGES

    @property
    def is_long(self) -> bool:
        """Whether a visit to all of it may be cut into slices."""
        return self._pages > _LONG_PAGES

    @property
    def worthwhile(self) -> bool:
        """See scan.visit_order.Visited."""
        return self.is_large or self.pacer.pace.useful_pages >= _PROMISING_PAGES

    @property
    def is_urgent(self) -> bool:
        """Whether the burst of the budget is for it: large, and new or changed."""
        wanted = self._blocks.policy.hurries or self._blocks.look.hurries
        hurries = wanted and self.pacer.settings.profile == "auto"
        is_urgent = hurries or self._progress.passes < _NEW_PASSES
        return self.is_large and is_urgent and self._blocks.benefit.effort == FULL

    @property
    def reads_soon(self) -> bool:
        """Whether the next visit belongs to one that was paid for: it may not be late."""
        return self._blocks.policy.reads_soon and self._wanted_at is not None
