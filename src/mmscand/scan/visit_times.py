"""When a process is visited: by its pacing, or as soon as its policy asks."""

from mmscand.clock import CpuMeter
from mmscand.model import PAGE_BYTES, REGION_BYTES
from mmscand.scan import coalesced_timers as timers
from mmscand.scan.benefit import FULL, Benefit
from mmscand.scan.block_processor import BlockProcessor
from mmscand.scan.idle import IdleWatch
from mmscand.scan.pacing import DEFAULT_AGGRESSIVENESS, Pacer
from mmscand.settings import Settings

_REST = 4.0
"""Times what the latest visit took, before the next one that a policy asks for: a fifth of a core
at most, but for a process that is new or has changed. In emulation a visit takes 0.4 s."""
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
        settings: Settings,
        blocks: BlockProcessor,
        benefit: Benefit,
        idle: IdleWatch,
        cpu: CpuMeter,
        pages: int,
    ) -> None:
        self._settings = settings
        self._blocks = blocks
        self._benefit = benefit
        self._idle = idle
        self._cpu = cpu
        self._cpu_before_s = 0.0
        """Of all visits before the latest one."""
        self.pages = pages
        """Resident ones, at most the address space that may move, as of the last complete pass; at
        first all resident ones."""
        self.began = self.now = 0.0
        """The latest visit, and when it went on."""
        self.pacer = Pacer(settings, throttle=benefit)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from the next visit on."""
        self._settings = settings
        self.pacer.adopt(settings)

    def begin(self, now: float) -> None:
        """A visit begins."""
        self.began = now
        self._cpu_before_s = self._cpu.seconds

    @property
    def period_ms(self) -> int:
        """From the begin of the latest visit to that of the next."""
        if self._wanted_at is None:
            return self.pacer.period_ms
        return round(1000 * (self.after(self.began) - self.began))

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
        if self._settings.profile != "auto" or self._benefit.effort != FULL:
            return None
        if self._idle.skipped:  # it does not run: each time it is asked whether it does wakes us
            wait_s = max(due - self.now, _LEAST_WAIT_S) * 2.0**self._idle.skipped
            return self.now + min(wait_s, self.pacer.period_ms / 1000)
        spent_s = self._cpu.seconds - self._cpu_before_s
        return due if policy.hurries else max(due, self.now + _REST * spent_s)

    @property
    def is_large(self) -> bool:
        """Whether it is worth its turn before small ones."""
        return self.pages >= _LARGE_PAGES

    @property
    def is_long(self) -> bool:
        """Whether a visit to all of it may be cut into slices."""
        return self.pages > _LONG_PAGES

    @property
    def worthwhile(self) -> bool:
        """See scan.visit_order.Visited."""
        return self.is_large or self.pacer.pace.useful_pages >= _PROMISING_PAGES

    def is_urgent(self, passes: int) -> bool:
        """Whether the burst of the budget is for it: large, and new or changed."""
        wanted = self._blocks.policy.hurries or self._blocks.look.hurries
        hurries = wanted and self._settings.profile == "auto"
        is_urgent = hurries or passes < _NEW_PASSES
        return self.is_large and is_urgent and self._benefit.effort == FULL

    @property
    def reads_soon(self) -> bool:
        """Whether the next visit belongs to one that was paid for: it may not be late."""
        return self._blocks.policy.reads_soon and self._wanted_at is not None
