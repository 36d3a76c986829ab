"""The CPU budget of the scanner: an average over ten minutes, and a burst for what is new.

Three bounds, each a knob. The average (`cpu_budget_percent`) holds over any ten minutes: what was
spent in them is known, and the rate of the next seconds is what is left. A burst may use what is
left at full speed, and after a start `cpu_burst_s` beside it. What promoting has saved raises the
average (`cpu_earned_percent`, `cpu_earned_max_percent`).
"""

from collections import deque
from dataclasses import dataclass

from mmscand.clock import Clock
from mmscand.settings import Settings

WINDOW_S = 600.0
_STEP_S = 10.0
"""The window is kept in steps: 60 numbers, and a step of it is forgotten at once."""
_SAVED_UP_S = 0.5
"""Ordinary work may save up half a second's share, as it waits for a grid of half seconds."""
_RESERVE = 0.2
"""Share of a window that no burst may take: else nothing is looked at for minutes after it."""
_SLOPE = 5.0
"""The rate falls below the average when less than a fifth of the window is left, down to nothing at
its end: so the sum of any ten minutes stays within the bound."""


class SlidingSum:
    """What was added in the last ten minutes."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, float]] = deque()
        self.total = 0.0

    def add(self, now: float, amount: float) -> None:
        """Of this moment."""
        if self._steps and now - self._steps[-1][0] < _STEP_S:
            start, before = self._steps.pop()
            self._steps.append((start, before + amount))
        else:
            self._steps.append((now, amount))
        self.total += amount

    def forget_before(self, now: float) -> None:
        """Drop the steps that ended ten minutes ago."""
        while self._steps and self._steps[0][0] + _STEP_S + WINDOW_S <= now:
            self.total -= self._steps.popleft()[1]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """As of now, in percent of one core and in seconds."""

    limit_percent: float
    """What the average may be, with what was earned."""
    earned_percent: float
    """The part of it that promoting has earned."""
    used_percent: float
    """The average over the last ten minutes, without the burst of the start."""
    burst_left_s: float
    """CPU time that may still be used at full speed."""


class CpuBudget:
    """Of one thread."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._began = self._filled_at = clock.now()
        self._start_used_s = 0.0
        self._spent, self._saved = SlidingSum(), SlidingSum()
        self._saved_up_s = 0.0
        self._cpu_at: float | None = None
        self.used_s = 0.0
        """CPU seconds in all."""

    def adopt(self, settings: Settings) -> None:
        """Go by other bounds from now on; a debt is judged by them too."""
        self._fill()
        self._settings = settings

    def earn(self, saved_s: float) -> None:
        """Promoting has saved the applications this much more time."""
        self._saved.add(self._clock.now(), saved_s)

    def charge(self, *, urgent: bool = False) -> bool:
        """Pay for what this thread did since the last call; whether work of this kind may go on."""
        self._fill()  # first, so that idle time before the work is capped and does not pay for it
        cpu = self._clock.thread_cpu()
        if self._cpu_at is not None and cpu > self._cpu_at:
            self._pay(cpu - self._cpu_at, urgent=urgent)
        self._cpu_at = cpu
        return self._may_go_on(urgent=urgent)

    def _pay(self, seconds: float, *, urgent: bool) -> None:
        self.used_s += seconds
        if urgent and self._start_left_s > 0:
            self._start_used_s += seconds
            return
        self._spent.add(self._clock.now(), seconds)
        if not (urgent and self._burst_left_s > 0):
            self._saved_up_s -= seconds

    def _may_go_on(self, *, urgent: bool) -> bool:
        return self._unlimited or self._saved_up_s >= 0 or (urgent and self._burst_left_s > 0)

    def _fill(self) -> None:
        now = self._clock.now()
        self._spent.forget_before(now)
        self._saved.forget_before(now)
        rate = self._rate
        more = (now - self._filled_at) * rate
        self._saved_up_s = min(self._saved_up_s + more, _SAVED_UP_S * rate)
        self._filled_at = now

    @property
    def _unlimited(self) -> bool:
        return self._settings.cpu_budget_percent >= 100

    @property
    def _earned(self) -> float:
        """Share of a core."""
        settings = self._settings
        earned = self._saved.total * settings.cpu_earned_percent / 100 / WINDOW_S
        return min(earned, settings.cpu_earned_max_percent / 100)

    @property
    def _share(self) -> float:
        """Of a core, on the average over ten minutes."""
        return self._settings.cpu_budget_percent / 100 + self._earned

    @property
    def _left(self) -> float:
        """Share of this window that is not spent."""
        return max(0.0, 1 - self._spent.total / (self._share * WINDOW_S))

    @property
    def _rate(self) -> float:
        """CPU seconds a second that ordinary work may use now."""
        return self._share * min(1.0, _SLOPE * self._left)

    @property
    def _start_left_s(self) -> float:
        """The burst of the start is for its first ten minutes."""
        if self._clock.now() - self._began >= WINDOW_S:
            return 0.0
        return max(0.0, self._settings.cpu_burst_s - self._start_used_s)

    @property
    def _burst_left_s(self) -> float:
        window_s = (self._left - _RESERVE) * self._share * WINDOW_S
        burst = self._settings.cpu_burst_s > 0
        return max(0.0, window_s) + self._start_left_s if burst else 0.0

    def ready_at(self, *, urgent: bool = False) -> float:
        """Clock time from which work of this kind may go on."""
        self._fill()
        if self._may_go_on(urgent=urgent):
            return self._filled_at
        # Where nothing is left of the window the rate is 0: the next step of it is forgotten soon.
        wait_s = -self._saved_up_s / self._rate if self._rate > 0 else _STEP_S
        return self._filled_at + min(wait_s, _STEP_S)

    @property
    def starts(self) -> bool:
        """Whether each process may have its first visit at full speed: a half of the burst of the
        start is kept for large ones."""
        return self._start_left_s > self._settings.cpu_burst_s / 2

    @property
    def rate(self) -> float:
        """Share of a core that ordinary work gets at the moment."""
        return 1.0 if self._unlimited else self._rate

    @property
    def state(self) -> BudgetState:
        """May be read from any thread."""
        return BudgetState(
            limit_percent=100 * min(1.0, self._share),
            earned_percent=100 * self._earned,
            used_percent=100 * self._spent.total / WINDOW_S,
            burst_left_s=self._burst_left_s,
        )
