"""How often a process is scanned, and how much of it: the RFC's rules by version, and our own.

Pure arithmetic on integers, as in the kernel (kmmscand-rfc section 1.6).
"""

from dataclasses import dataclass, field, replace
from typing import Protocol

from mmscand.settings import Settings

PAGES_PER_MB = 256

DEFAULT_AGGRESSIVENESS = 5
"""Of 1..10; 10 scans twice as often, 1 five times as rarely. The RFC's prctl has 0..10 too, but
there a higher number is slower."""


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


_RATIO_INTERVAL_MOVES = 1024


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

    def add(self, moved: int, failed: int) -> None:
        """Count outcomes."""
        self._new_moved += moved
        self._new_failed += failed
        if self._new_moved + self._new_failed >= _RATIO_INTERVAL_MOVES:
            self.moved = self.moved // 4 + self._new_moved
            self.failed = self.failed // 4 + self._new_failed
            self._new_moved = self._new_failed = 0

    @property
    def percent(self) -> int:
        """0..100, integer as in the RFC."""
        total = self.moved + self.failed
        return 100 * self.failed // total if total else 0


def auto_limits(settings: Settings) -> Limits:
    """Our own profile, from the knobs."""
    return Limits(
        period_ms=settings.scan_period_ms,
        period_min_ms=settings.scan_period_min_ms,
        period_max_ms=settings.scan_period_max_ms,
        size_mb=settings.scan_size_mb,
        size_min_mb=settings.scan_size_min_mb,
        size_max_mb=settings.scan_size_max_mb,
        ignore_below_pages=32,  # 128 KiB: moving less pays for no scan
        decay=16,
        initial_delay_ms=settings.scan_delay_ms,
    )


def limits_of(settings: Settings) -> Limits:
    """Of the profile in force."""
    return PROFILES.get(settings.profile) or auto_limits(settings)


_RFC_PAUSE_MS = 20
"""V2 and V3; V0 and V1 have 16."""


def pause_ms(settings: Settings) -> int:
    """Least time between two cycles over the processes."""
    least = 0 if settings.profile == "auto" else _RFC_PAUSE_MS
    return max(least, settings.scan_sleep_ms)


class Throttle(Protocol):
    """What slows a process down beyond its pacing, see scan.benefit."""

    @property
    def slowdown(self) -> int:
        """Times the period."""
        ...

    @property
    def pause_ms(self) -> int:
        """Least period."""
        ...


@dataclass(frozen=True, slots=True)
class NoThrottle:
    """Nothing does."""

    slowdown: int = 1
    pause_ms: int = 0


@dataclass(slots=True)
class Pacer:
    """The pacing of one process under the settings in force."""

    settings: Settings
    aggressiveness: int = DEFAULT_AGGRESSIVENESS
    failures: FailureRatio = field(default_factory=FailureRatio)
    throttle: Throttle = field(default_factory=NoThrottle)
    pace: Pace = field(init=False)
    """In v0, v1 and v3 the period that was published last, which the next step starts from, so
    that v3's scaling compounds as in the RFC. In auto the tuned base, apart from any scaling."""

    def __post_init__(self) -> None:
        self.pace = Pace.initial(limits_of(self.settings))

    def adopt(self, settings: Settings) -> None:
        """Go on under other settings: at once, also for a process that is known for long."""
        before, now = limits_of(self.settings), limits_of(settings)
        self.settings = settings
        if before != now:
            self.pace = replace(Pace.initial(now), useful_pages=self.pace.useful_pages)

    def step(self, useful_pages: int) -> None:
        """Tune by what a pass found."""
        self.pace = tuned(self.pace, limits_of(self.settings), useful_pages)
        if self.settings.profile == "v3":
            self.pace = v3_scaled(self.pace, self._rfc_scale, self.failures.percent)

    @property
    def _rfc_scale(self) -> int:
        """V3's prctl value, 1..10 with 10 the slowest, for our aggressiveness."""
        return 11 - self.aggressiveness

    @property
    def period_ms(self) -> int:
        """Time between two passes, scaled."""
        return max(self._scaled_ms * self.throttle.slowdown, self.throttle.pause_ms)

    @property
    def _scaled_ms(self) -> int:
        if self.settings.profile != "auto":
            return self.pace.period_ms
        # Failures at most double the period: pages that cannot move are remembered one by one,
        # so they are no reason to leave the others alone.
        scaled = self.pace.period_ms * DEFAULT_AGGRESSIVENESS // self.aggressiveness
        return max(1, scaled * (100 + self.failures.percent) // 100)

    def most_pages(self, found: int) -> int:
        """Most that one pass examines, given how many accessed pages it has found so far."""
        limits = limits_of(self.settings)
        lifted = self.settings.profile == "v0" and found > limits.ignore_below_pages
        return (limits.size_max_mb if lifted else self.pace.size_mb) * PAGES_PER_MB
