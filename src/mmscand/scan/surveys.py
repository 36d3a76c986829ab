"""Rows that are read again right after their bits were cleared, and what that may cost."""

from mmscand.clock import Clock, CpuMeter
from mmscand.machine import AddressSpace
from mmscand.model import HUGE_PAGE_BYTES, VmaTable, Window
from mmscand.policy.eligible import countable
from mmscand.policy.interface import Policy

_SHARE = 0.1
"""Of the CPU time of all visits to the process."""


class Surveys:
    """Of one process: of one window in a pass at most, each in its turn. See engine.survey."""

    def __init__(self, space: AddressSpace, clock: Clock) -> None:
        self._space = space
        self._clock = clock
        self._meter = CpuMeter(clock)
        self._next = 0
        """Address from which on a window has its turn."""
        self._done = False
        """In this pass."""

    def begin_pass(self) -> None:
        """A pass begins."""
        if not self._done:
            self._next = 0
        self._done = False

    def are_due(self, window: Window, spent_s: float) -> bool:
        """Whether it is the turn of this window, as visits have taken so much CPU time so far."""
        if self._done or self._meter.seconds > _SHARE * spent_s:
            return False
        return window.end > self._next

    def make(self, window: Window, vmas: VmaTable, policy: Policy) -> None:
        """Bits of the window were just cleared."""
        self._next, self._done = window.end, True
        with self._meter:
            while (due := policy.next_read()) is not None:
                at, rows = due
                self._clock.rest(max(0.0, at - self._clock.now()))
                if not self._read(vmas.within(rows, HUGE_PAGE_BYTES), policy):
                    break
            policy.end_survey()

    def _read(self, vmas: VmaTable, policy: Policy) -> bool:
        """Whether there was anything."""
        found = False
        for window in self._space.read(vmas, 0):
            for block in window.blocks:
                policy.reread(countable(block, vmas))
                found = True
        return found
