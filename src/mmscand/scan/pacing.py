"""How often a process is scanned, and how much of it: the RFC's rules by version, and our own.

Pure arithmetic on integers, as in the kernel (kmmscand-rfc section 1.6). `Pace.period_ms` is
what a step starts from. In the profiles v1 and v3 it is also what was published last, as in the
RFC, so that v3's scaling compounds; `auto` keeps the tuned base and the published period apart.
"""

from dataclasses import dataclass, replace

PAGES_PER_MB = 256

MOST_AGGRESSIVE = 10
"""The RFC's prctl range is 0..10; 0 means never."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a profile starts from and may tune between."""

    period_ms: int
    period_min_ms: int
    period_max_ms: int
    size_mb: int
    size_min_mb: int
    size_max_mb: int
    ignore_below_pages: int
    """Fewer useful pages than this count as none."""
    decay: int
    """The last pass' useful pages are carried over divided by this; 0 carries nothing."""
    initial_delay_ms: int
    """Before the first pass over a new process, so that short-lived ones cost nothing."""

    def clamp_period(self, period_ms: int) -> int:
        """Into the allowed range."""
        return min(max(period_ms, self.period_min_ms), self.period_max_ms)

    def clamp_size(self, size_mb: int) -> int:
        """Into the allowed range."""
        return min(max(size_mb, self.size_min_mb), self.size_max_mb)


PROFILES = {
    # RFC V0, Dec 2024: 1.1 of kmmscand-rfc; no decay, no delay.
    "v0": Limits(2000, 400, 5000, 4096, 512, 16384, 100, 0, 0),
    # RFC V1, Mar 2025. The delay is sysctl_numa_balancing_scan_delay, 1000 ms in mainline.
    "v1": Limits(2000, 500, 5000, 1024, 256, 4096, 256, 16, 1000),
    # RFC V3, Aug 2025: twice the delay; scaled by aggressiveness and failures afterwards.
    "v3": Limits(2000, 600, 5000, 1024, 256, 4096, 256, 16, 2000),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """Where the tuning of one process stands."""

    period_ms: int
    size_mb: int
    useful_pages: int = 0
    """X of section 1.6: useful pages of the last pass, after decay and threshold."""

    @classmethod
    def initial(cls, limits: Limits) -> "Pace":
        """Of a new process."""
        return cls(limits.period_ms, limits.size_mb)


def tuned(pace: Pace, limits: Limits, found_pages: int) -> Pace:
    """One step of the RFC's tuning: the four cases of section 1.6, then the limits."""
    useful = found_pages + (pace.useful_pages // limits.decay if limits.decay else 0)
    if useful < limits.ignore_below_pages:
        useful = 0
    period, size = pace.period_ms, pace.size_mb
    if useful and pace.useful_pages:
        period, size = period * 85 // 100, size * 2
    elif useful:
        period, size = period // 8, limits.size_max_mb
    elif pace.useful_pages:
        period = period * 8
    else:
        period, size = period * 115 // 100, size // 2
    return Pace(limits.clamp_period(period), limits.clamp_size(size), useful)


def v3_scaled(pace: Pace, scale: int, failed_percent: int) -> Pace:
    """V3's two scalings, as posted: a higher `scale` is slower, and the result is the next base."""
    period = pace.period_ms + pace.period_ms * (scale - 1) // 9
    return replace(pace, period_ms=period * (1 + failed_percent // 10))


@dataclass(slots=True)
class FailureRatio:
    """Share of moves that failed, with decay: V3's feedback, for lists of any length.

    The RFC looks at it every 1024 moves of one drain, so shorter lists never count (3.3 of
    kmmscand-rfc); here the 1024 are counted over all drains.
    """

    moved: int = 0
    failed: int = 0
    _new_moved: int = 0
    _new_failed: int = 0

    INTERVAL_MOVES = 1024

    def add(self, moved: int, failed: int) -> None:
        """Count outcomes."""
        self._new_moved += moved
        self._new_failed += failed
        if self._new_moved + self._new_failed >= self.INTERVAL_MOVES:
            self.moved = self.moved // 4 + self._new_moved
            self.failed = self.failed // 4 + self._new_failed
            self._new_moved = self._new_failed = 0

    @property
    def percent(self) -> int:
        """0..100, integer as in the RFC."""
        total = self.moved + self.failed
        return 100 * self.failed // total if total else 0
