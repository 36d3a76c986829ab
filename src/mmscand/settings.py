"""One table of every knob: name with unit, default, bounds, and the reason for the number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from mmscand.errors import Mistakes, UsageError
from mmscand.knobs import Knob, choice, number, truth, whole
from mmscand.shown import quoted

Profile = Literal["auto", "v0", "v1", "v3"]
TargetPolicyName = Literal["accessed", "nearest", "most-free", "one-tier-up"]
PolicyName = Literal["capacity", "frequency", "two-pass", "first-touch", "nothing"]
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Settings:
    """All knobs at one moment. A change makes a new one, by `changed`, which checks it."""

    scan_enabled: bool = truth(
        True, "Whether processes are scanned. What is queued is moved either way."
    )
    profile: Profile = choice(
        "auto",
        get_args(Profile),
        "Rules that tune period and size: the RFC's by version, or ours. v0, v1 and v3 "
        "bring their own limits; the scan_period and scan_size knobs are for auto.",
    )
    scan_sleep_ms: int = whole(
        0,
        (0, _HOUR_MS),
        "Pause between two cycles over the processes; what is not due sleeps either way. Profiles "
        "v0, v1 and v3 pause for 20 ms at least, as RFC V2 and V3 do. Policy capacity reads bits "
        "from 0.3 ms after it cleared them on, and would be late for hot huge pages.",
    )
    scan_period_ms: int = whole(
        1000,
        (1, _HOUR_MS),
        "Time between two passes over a new process. The RFC starts at 2000; at 1 s a "
        "hot page is promoted within 3 s, and a pass over 64 GiB takes 25 ms.",
    )
    scan_period_min_ms: int = whole(
        400,
        (1, _HOUR_MS),
        "Shortest period that tuning sets. RFC V0: 400, V1: 500, V3: 600.",
    )
    scan_period_max_ms: int = whole(
        10_000,
        (1, _HOUR_MS),
        "Longest period that tuning sets: a process that wakes up waits no "
        "longer to be seen. RFC: 5000; an idle pass here costs a tenth.",
    )
    scan_size_mb: int = whole(
        16_384,
        (2, 1 << 40),
        "Memory examined in one pass over a new process, in MiB of mapped pages. RFC: "
        "1024; we read 16 GiB in the 6 ms that the kernel takes for 1.",
    )
    scan_size_min_mb: int = whole(
        1024, (2, 1 << 40), "Least that tuning leaves: one window of the page tables."
    )
    scan_size_max_mb: int = whole(
        1 << 20, (2, 1 << 40), "Most that tuning allows: 1 TiB is read in 0.4 s."
    )
    scan_delay_ms: int = whole(
        1000,
        (0, _HOUR_MS),
        "Before the first pass over a process that starts while we run, so that "
        "short-lived ones cost nothing. RFC V1: 1000, the kernel's numa_balancing_scan_delay.",
    )
    mms_to_scan: int = whole(
        4096, (1, 1 << 22), "Processes visited in one cycle, each at most once. RFC: 4096."
    )
    cpu_budget_percent: float = number(
        1.0,
        (0.01, 100),
        "Share of one core that scanning and aging may use, on the average of any ten "
        "minutes. 1 % is what TMTS and Telescope spend, a third of MEMTIS. 100 is no limit.",
    )
    cpu_burst_s: float = number(
        20.0,
        (0, 3600),
        "CPU time that scanning may use at full speed within ten minutes of the start, "
        "beside the average. Later a large new process and a change of the hot set get "
        "the rest of the average. A first look at 64 GiB takes 3 s, to decide a few of them. 0 "
        "has no bursts at all.",
    )
    cpu_earned_percent: float = number(
        10.0,
        (0, 100),
        "Share of the time that promoting saves the applications, which scanning may "
        "use beyond its average.",
    )
    cpu_earned_max_percent: float = number(
        10.0, (0, 100), "Most that is earned so, as a share of one core."
    )
    policy: PolicyName = choice(
        "capacity",
        get_args(PolicyName),
        "Which pages are promoted. capacity: the hottest that fit the fast tier, ranked over all "
        "processes, in exchange for the coldest there. The others demote nothing. "
        "frequency: what was accessed in four of six passes (memory-optimizer). two-pass: in "
        "hot_passes passes in a row (RFC V3). first-touch: in one (RFC V0 and V1). nothing: none.",
    )
    split_huge_pages: bool = truth(
        True,
        "Policy capacity: whether hot huge pages are looked into. A sample, at "
        "most 1 %, is split and watched; where few parts are hot, hot huge pages are split and "
        "these parts promoted, else they are promoted whole. A huge page has one Accessed bit: "
        "524 hot 4K pages can cost 450 MiB of fast memory.",
    )
    hot_passes: int = whole(
        2,
        (1, 6),
        "Policy two-pass: accessed in this many passes in a row is hot, as one touch "
        "proves nothing (RFC V3, TPP). History remembers six.",
    )
    benefit_window_s: int = whole(
        60,
        (0, 86_400),
        "Time over which it is judged whether promoting pays for a process, in s; when "
        "it does not it is slowed down, then stopped. 0 never judges. In 60 s even a process that "
        "is visited every 10 s says something.",
    )
    benefit_retry_s: int = whole(
        600,
        (1, 86_400),
        "Time after which a process that was stopped is tried again, in s. Two windows "
        "of 60 s in 12 minutes are a sixth of the cost.",
    )
    accesses_per_bit: int = whole(
        100,
        (1, 1_000_000),
        "Cache misses that one set Accessed bit of a promoted page stands for: it says "
        "one or more. A core that waits for memory has 10 million a second; on 100 000 hot pages "
        "(400 MiB) that is 100 each.",
    )
    read_only_files: bool = truth(
        False,
        "Whether mappings of files that nobody writes are scanned: program text and "
        "libraries. Off as in the RFC; most of it is shared, and then left alone anyway.",
    )
    shared_memory: bool = truth(
        False,
        "Whether MAP_SHARED mappings are scanned. Pages that other processes map too "
        "come in where MGLRU can age their cgroup, as MADV_COLD does not clear their bits; `ps` "
        "says where (aging).",
    )
    shared_recheck_passes: int = whole(
        32,
        (1, 1_000_000),
        "Passes after which pages that others mapped too, or that could not be aged, "
        "are looked at again: 15 us for 2 MiB, lost in the cost of 32 passes.",
    )
    migration_list_slots: int = whole(
        262_144,
        (512, 1 << 28),
        "What may wait for the migrator: 1 GiB of 4K pages, 2 MiB of addresses. More "
        "would be stale before its turn comes.",
    )
    migrate_batch_pages: int = whole(
        2048,
        (64, 262_144),
        "Pages a move_pages call. Each call drains the LRU caches of all CPUs once, so "
        "at least 512 pays (pghot's default); at 1.2-2.5 us a page this is 5 ms.",
    )
    migrate_sleep_ms: int = whole(
        0,
        (0, _HOUR_MS),
        "Pause between two batches. RFC: 20 ms, its only throttle; here the rate is.",
    )
    migrate_rate_mb_s: int = whole(
        1024,
        (0, 1 << 20),
        "Most that is moved in a second, in MiB; 0 is no limit. A third of what one "
        "thread can do (3.3 GB/s), so that half of the bandwidth of a CXL link stays free.",
    )
    room_pages: int = whole(
        2048,
        (1, 1 << 32),
        "Pages that a target must have free above its high watermark, or as page cache "
        "that counts as room, before a batch goes there: the batch itself.",
    )
    headroom_percent: float = number(
        2.0,
        (0, 50),
        "Policy capacity: share of each fast node that stays free above its high "
        "watermark, or is page cache, for what programs allocate next. TPP keeps 2 %.",
    )
    page_cache_percent: float = number(
        50.0,
        (0, 100),
        "Share of a node's idle page cache (clean, inactive on the kernel's lists) that counts as "
        "room: the kernel drops it for pages that are moved there, or demotes it. On a server that "
        "reads files nothing else is free. Hot pages go on taking it until it has about twice the "
        "headroom. With 0 page cache counts as used memory.",
    )
    target_policy: TargetPolicyName = choice(
        "accessed",
        get_args(TargetPolicyName),
        "Which fast node pages go to: where most of the process' accessed top-tier "
        "pages are, the nearest, the one with most free memory, or only one tier up.",
    )
    target_node: int = whole(
        -1,
        (-1, 1023),
        "Fast node to go to when nothing is known of where a process is (policy "
        "accessed), and the last resort of one-tier-up; -1 is none.",
    )


KNOBS: dict[str, Knob] = {
    each.name: replace(each.metadata["knob"], name=each.name) for each in fields(Settings)
}
"""All that is known of each knob, by its name, in the order of the table."""


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


def values_of(settings: Settings) -> dict[str, Any]:
    """Each knob's value, by name."""
    return {name: getattr(settings, name) for name in KNOBS}


def changed(settings: Settings, changes: Mapping[str, Any]) -> Changed:
    """All changes together, or UsageError with every mistake in them."""
    mistakes, values = list(_unknown(changes)), dict[str, Any]()
    for name in filter(KNOBS.__contains__, changes):
        try:
            values[name] = KNOBS[name].taken(changes[name])
        except UsageError as error:
            mistakes.append(error)
    wanted = replace(settings, **values)
    if mistakes := mistakes or list(_out_of_order(wanted)):
        raise Mistakes(mistakes)
    return _clamped(wanted)


def _out_of_order(wanted: Settings) -> Iterable[UsageError]:
    for low, high in _CLAMPED.values():
        if getattr(wanted, low) > getattr(wanted, high):
            yield UsageError(f"{low} is above {high}", hint="raise one, or lower the other")


def _clamped(wanted: Settings) -> Changed:
    notes, values = [], {}
    for name, (low, high) in _CLAMPED.items():
        value = getattr(wanted, name)
        given = min(max(value, getattr(wanted, low)), getattr(wanted, high))
        if given != value:
            values[name] = given
            notes.append(f"{name} {value} became {given}, its limits are {low} and {high}")
    return Changed(replace(wanted, **values), tuple(notes))


def require_knobs(names: Iterable[str]) -> None:
    """UsageError for each of `names` that is no knob, with the name that was probably meant."""
    if mistakes := list(_unknown(names)):
        raise Mistakes(mistakes)


def _unknown(names: Iterable[str]) -> Iterable[UsageError]:
    import difflib  # noqa: PLC0415 - for a mistake only

    for name in names:
        if name not in KNOBS:
            close = difflib.get_close_matches(name, KNOBS, 1)
            hint = f"did you mean {close[0]}?" if close else "`mmscand get --defaults` lists them"
            yield UsageError(f"no knob {quoted(name)}", hint=hint)
