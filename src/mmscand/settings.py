"""One table of every knob: name with unit, default, bounds, and the reason for the number."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmscand.errors import Mistakes, UsageError
from mmscand.mistakes import in_words
from mmscand.shown import quoted

Profile = Literal["auto", "v0", "v1", "v3"]
TargetPolicyName = Literal["accessed", "nearest", "most-free", "one-tier-up"]
PolicyName = Literal["capacity", "frequency", "two-pass", "first-touch"]
Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]


class Settings(BaseModel):
    """All knobs at one moment. Frozen: a change makes a new one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    scan_enabled: bool = Field(
        True, description="Whether processes are scanned. What is queued is moved either way."
    )
    profile: Profile = Field(
        "auto",
        description="Rules that tune period and size: the RFC's by version, or ours. v0, v1 and v3 "
        "bring their own limits; the scan_period and scan_size knobs are for auto.",
    )
    scan_sleep_ms: Milliseconds = Field(
        20,
        description="Pause between two cycles over the processes. RFC V2 and V3: 20 ms. 0 only "
        "takes the pause away; what is not due still sleeps.",
    )
    scan_period_ms: Annotated[int, Field(ge=1, le=3_600_000)] = Field(
        1000,
        description="Time between two passes over a new process. The RFC starts at 2000; at 1 s a "
        "hot page is promoted within 3 s, and a pass over 64 GiB takes 25 ms.",
    )
    scan_period_min_ms: Annotated[int, Field(ge=1, le=3_600_000)] = Field(
        400, description="Shortest period that tuning goes down to. RFC V0: 400, V1: 500, V3: 600."
    )
    scan_period_max_ms: Annotated[int, Field(ge=1, le=3_600_000)] = Field(
        10_000,
        description="Longest period that tuning goes up to: a process that wakes up waits no "
        "longer to be seen. RFC: 5000; an idle pass here costs a tenth.",
    )
    quick_passes: Annotated[int, Field(ge=0, le=100)] = Field(
        8,
        description="Passes that follow each other as fast as exposures do, 0.1 s at first: over a "
        "new process that does not fit the fast tier; after a change five of them. 0 waits for the "
        "period each time. 8 find the exposure and exchange the fast tier once.",
    )
    scan_size_mb: Annotated[int, Field(ge=2, le=1 << 40)] = Field(
        16_384,
        description="Memory examined in one pass over a new process, in MiB of mapped pages. RFC: "
        "1024; we read 16 GiB in the 6 ms that the kernel takes for 1.",
    )
    scan_size_min_mb: Annotated[int, Field(ge=2, le=1 << 40)] = Field(
        1024, description="Least that tuning leaves: one window of the page tables."
    )
    scan_size_max_mb: Annotated[int, Field(ge=2, le=1 << 40)] = Field(
        1 << 20, description="Most that tuning allows: 1 TiB is read in 0.4 s."
    )
    scan_delay_ms: Milliseconds = Field(
        1000,
        description="Before the first pass over a process that starts while we run, so that "
        "short-lived ones cost nothing. RFC V1: 1000, the kernel's numa_balancing_scan_delay.",
    )
    mms_to_scan: Annotated[int, Field(ge=1, le=1 << 22)] = Field(
        4096, description="Processes visited in one cycle, each at most once. RFC: 4096."
    )
    cpu_budget_percent: Annotated[float, Field(ge=0.01, le=100)] = Field(
        1.0,
        description="Share of one core that scanning and aging may use, on the average of any ten "
        "minutes. 1 % is what TMTS and Telescope spend, a third of MEMTIS. 100 is no limit.",
    )
    cpu_burst_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        20.0,
        description="CPU time that scanning may use at full speed within ten minutes of the start, "
        "beside the average. Later a large new process and a change of what is hot get "
        "what is left of the average. A first look at 64 GiB takes 3 s, to decide a few of them. 0 "
        "has no bursts at all.",
    )
    cpu_earned_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        10.0,
        description="Share of the time that promoting saves the applications, which scanning may "
        "use beyond its average.",
    )
    cpu_earned_max_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        10.0, description="Most that is earned so, as a share of one core."
    )
    policy: PolicyName = Field(
        "capacity",
        description="Which pages are promoted. capacity: the hottest that fit the fast tier, "
        "ranked over all processes, in exchange for the coldest there. By the others nothing comes "
        "down. frequency: what was accessed in four of six passes (memory-optimizer). two-pass: in "
        "hot_passes passes in a row (RFC V3). first-touch: in one (RFC V0 and V1).",
    )
    hot_passes: Annotated[int, Field(ge=1, le=6)] = Field(
        2,
        description="Policy two-pass: accessed in this many passes in a row is hot, as one touch "
        "proves nothing (RFC V3, TPP). History remembers six.",
    )
    benefit_window_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        60,
        description="Time over which it is judged whether promoting pays for a process, in s; when "
        "it does not it is slowed down, then stopped. 0 never judges. In 60 s even a process that "
        "is visited every 10 s tells something.",
    )
    benefit_retry_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        600,
        description="Time after which a process that was stopped is tried again, in s. Two windows "
        "of 60 s in 12 minutes are a sixth of the cost.",
    )
    accesses_per_bit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100,
        description="Cache misses that one set Accessed bit of a promoted page stands for: it says "
        "one or more. A core that waits for memory has 10 million a second; on 100 000 hot pages "
        "(400 MiB) that is 100 each.",
    )
    read_only_files: bool = Field(
        False,
        description="Whether mappings of files that nobody writes are scanned: program text and "
        "libraries. Off as in the RFC; most of it is shared, and then left alone anyway.",
    )
    shared_memory: bool = Field(
        False,
        description="Whether MAP_SHARED mappings are scanned. Pages that other processes map too "
        "come in where MGLRU can age their cgroup, as MADV_COLD does not clear their bits; `ps` "
        "says where (aging).",
    )
    shared_recheck_passes: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        32,
        description="Passes after which pages that others mapped too, or that could not be aged, "
        "are looked at again: 15 us for 2 MiB, lost in the cost of 32 passes.",
    )
    migration_list_slots: Annotated[int, Field(ge=512, le=1 << 28)] = Field(
        262_144,
        description="What may wait for the migrator: 1 GiB of 4K pages, 2 MiB of addresses. More "
        "would be stale before its turn comes.",
    )
    migrate_batch_pages: Annotated[int, Field(ge=64, le=262_144)] = Field(
        2048,
        description="Pages a move_pages call. Each call drains the LRU caches of all CPUs once, so "
        "at least 512 pays (pghot's default); at 1.2-2.5 us a page this is 5 ms.",
    )
    migrate_sleep_ms: Milliseconds = Field(
        0, description="Pause between two batches. RFC: 20 ms, its only throttle; here the rate is."
    )
    migrate_rate_mb_s: Annotated[int, Field(ge=0, le=1 << 20)] = Field(
        1024,
        description="Most that is moved in a second, in MiB; 0 is no limit. A third of what one "
        "thread can do (3.3 GB/s), so that half of the bandwidth of a CXL link stays free.",
    )
    room_pages: Annotated[int, Field(ge=1, le=1 << 32)] = Field(
        2048,
        description="Pages that a target must have free above its high watermark before a batch "
        "goes there: the batch itself, so that a promotion never makes kswapd run.",
    )
    headroom_percent: Annotated[float, Field(ge=0, le=50)] = Field(
        2.0,
        description="Policy capacity: share of each fast node that stays free above its high "
        "watermark, for what programs allocate next. TPP keeps 2 %.",
    )
    target_policy: TargetPolicyName = Field(
        "accessed",
        description="Which fast node pages go to: where most of the process' accessed top-tier "
        "pages are, the nearest, the one with most free memory, or only one tier up.",
    )
    target_node: Annotated[int, Field(ge=-1, le=1023)] = Field(
        -1,
        description="Fast node to go to when nothing is known of where a process is (policy "
        "accessed), and the last resort of one-tier-up; -1 is none.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("scan_period_{}ms", "scan_size_{}mb"):
            low, high = name.format("min_"), name.format("max_")
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} is above {high}")
        return self


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change led to."""

    settings: Settings
    clamped: tuple[str, ...]
    """What was asked for and given otherwise, in words."""


_CLAMPED = {
    "scan_period_ms": ("scan_period_min_ms", "scan_period_max_ms"),
    "scan_size_mb": ("scan_size_min_mb", "scan_size_max_mb"),
}


def changed(settings: Settings, changes: Mapping[str, Any]) -> Changed:
    """All changes together, or UsageError with the reason and none of them."""
    try:
        wanted = Settings(**{**settings.model_dump(), **changes})
    except ValidationError as error:
        raise Mistakes([_mistake(each) for each in error.errors()]) from None
    return _clamped(wanted)


def _mistake(error: Mapping[str, Any]) -> UsageError:
    name = "".join(f"{part}: " for part in error["loc"])
    return UsageError(name + in_words(error), hint="`mmscand get --defaults` lists all bounds")


def _clamped(wanted: Settings) -> Changed:
    notes, values = [], {}
    for name, (low, high) in _CLAMPED.items():
        value = getattr(wanted, name)
        given = min(max(value, getattr(wanted, low)), getattr(wanted, high))
        if given != value:
            values[name] = given
            notes.append(f"{name} {value} became {given}, its limits are {low} and {high}")
    return Changed(wanted.model_copy(update=values), tuple(notes))


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a configuration that was read again led to."""

    before: Settings
    settings: Settings
    by_hand: tuple[str, ...]
    """Knobs that were set while it ran and differ from the configuration; they stay as they are."""
    clamped: tuple[str, ...]


class SettingsStore:
    """The settings in force; safe from any thread. Ask `current` each time, and keep nothing."""

    def __init__(self, initial: Settings | None = None) -> None:
        self._lock = threading.Lock()
        self._initial = initial or Settings()
        self._current = self._initial
        self._by_hand: dict[str, Any] = {}
        """Knobs that were changed and not reset since: the configuration does not change them."""
        self._listeners: list[Callable[[], None]] = []
        self._requirements: list[Callable[[Settings], None]] = []

    @property
    def current(self) -> Settings:
        """As of now."""
        return self._current

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after every change: it wakes whoever sleeps by the old settings."""
        self._listeners.append(listener)

    def require(self, requirement: Callable[[Settings], None]) -> None:
        """Take over only settings for which this raises no UsageError: those of now, and later."""
        requirement(self._current)
        self._requirements.append(requirement)

    def _check(self, wanted: Settings) -> None:
        for requirement in self._requirements:
            requirement(wanted)

    def change(self, changes: Mapping[str, Any]) -> Changed:
        """Apply all changes at once, or raise UsageError and apply none."""
        with self._lock:
            result = self._take(changes)
            self._by_hand |= {name: getattr(result.settings, name) for name in changes}
        self._tell()
        return result

    def reset(self, names: Iterable[str] = ()) -> Settings:
        """Back to the values of the configuration; all of them when no name is given."""
        names = list(names) or list(Settings.model_fields)
        if unknown := [name for name in names if name not in Settings.model_fields]:
            hint = "`mmscand get --defaults` lists them"
            raise UsageError(f"no knob {quoted(unknown[0])}", hint=hint)
        with self._lock:
            result = self._take({name: getattr(self._initial, name) for name in names})
            for name in names:
                self._by_hand.pop(name, None)
        self._tell()
        return result.settings

    def _take(self, changes: Mapping[str, Any]) -> Changed:
        result = changed(self._current, changes)
        self._check(result.settings)
        self._current = result.settings
        return result

    def replace_initial(self, initial: Settings) -> Reloaded:
        """Take over a configuration that was read again; what was set by hand stays."""
        with self._lock:
            self._check(initial)
            result = changed(initial, self._by_hand)
            self._check(result.settings)
            before, self._initial, self._current = self._current, initial, result.settings
            file, now = initial.model_dump(), result.settings.model_dump()
            stay = tuple(name for name in self._by_hand if now[name] != file[name])
        self._tell()
        return Reloaded(before, result.settings, stay, result.clamped)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()
