"""The CPU budget of the scanner: a share of one core, kept by the thread's own CPU clock."""

from mmscand.clock import Clock

_BURST_S = 0.5
"""What may be saved up: half a second's share, as who is out of it is asked again on a grid of half
seconds. Any 10 s stay within 5 % of the share, any minute within 1 %."""


class CpuBudget:
    """A bucket of CPU seconds that fills at the share's rate and may go into debt by one window."""

    def __init__(self, clock: Clock, percent: float) -> None:
        self._clock = clock
        self._share = percent / 100
        self._saved_s = 0.0
        self._filled_at = clock.now()
        self._cpu_at: float | None = None
        self.used_s = 0.0
        """CPU seconds in all."""

    def set_percent(self, percent: float) -> None:
        """Another share, from now on; a debt is judged by it too."""
        self._fill()
        self._share = percent / 100

    def _fill(self) -> None:
        now = self._clock.now()
        more = (now - self._filled_at) * self._share
        self._saved_s = min(self._saved_s + more, _BURST_S * self._share)
        self._filled_at = now

    def charge(self) -> bool:
        """Pay for what this thread did since the last call; whether anything is left to spend."""
        self._fill()  # first, so that idle time before the work is capped and does not pay for it
        cpu = self._clock.thread_cpu()
        if self._cpu_at is not None:
            self.used_s += cpu - self._cpu_at
            self._saved_s -= cpu - self._cpu_at
        self._cpu_at = cpu
        return self._saved_s >= 0 or self._unlimited

    @property
    def _unlimited(self) -> bool:
        return self._share >= 1

    @property
    def ready_at(self) -> float:
        """Clock time from which there is something to spend."""
        self._fill()
        debt_s = 0.0 if self._unlimited else max(0.0, -self._saved_s)
        return self._filled_at + debt_s / self._share
