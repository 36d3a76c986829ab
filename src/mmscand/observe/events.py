"""What happens in the daemon, as frozen records that observers get; no formatting here."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Protocol

from mmscand.model import Process
from mmscand.observe.fields import counter

EXITED, STOPPING = "exited", "mmscand stops"
"""Reasons of ProcessLeft that are no news by themselves."""


@dataclass(frozen=True, slots=True)
class ProcessEntered:
    """A process is watched from now on."""

    process: Process


@dataclass(frozen=True, slots=True)
class ProcessLeft:
    """A process is watched no more, or cannot be watched: `passes` is 0 then. `why` is a short
    phrase."""

    process: Process
    passes: int
    why: str
    for_now: bool = False
    """Descriptors or memory had run out: it is tried again at the next look."""


@dataclass(frozen=True, slots=True)
class PassStart:
    """A visit to a process begins; the PassEnd that follows says what it found."""

    process: Process
    number: int
    """Of the pass; 1 is the first over this address space."""
    cursor: int
    """Address at which it goes on; 0 is the start."""


@dataclass(frozen=True, slots=True)
class PassEnd:
    """One visit to a process is complete. Counts are 4 KiB pages where nothing else is said."""

    process: Process
    number: int
    """Passes over this whole address space so far: 1 after the first."""
    complete: bool
    """It came to the end of the address space; one that did not goes on there next time."""
    seconds: float
    """From the begin to the end of the visit."""
    examined: Annotated[int, counter("Had an entry in the page tables that were read.")]
    slow: Annotated[int, counter("Of these, present on the slow tier.")]
    accessed: Annotated[int, counter("Of the slow pages, those whose Accessed bit is set.")]
    fast: Annotated[int, counter("Of the examined pages, present on other nodes.")]
    fast_accessed: Annotated[int, counter("Of these, those whose Accessed bit is set.")]
    aged: Annotated[int, counter("Were covered by aging: their Accessed bits were cleared.")]
    unaged: Annotated[
        int,
        counter("Their bit could not be cleared: left alone for `shared_recheck_passes` passes."),
    ]
    hot: Annotated[int, counter("To be promoted, by the policy.")]
    queued: Annotated[int, counter("Of the hot and cold pages, put on the migration list.")]
    waiting: Annotated[
        int,
        counter("Hot or cold, and on the list since an earlier pass; each pass counts them again."),
    ]
    cold: Annotated[int, counter("On the fast tier and to be demoted, by the policy.")]
    cooled: Annotated[
        int, counter("Taken off the list: the policy does not want to move them any more.")
    ]
    shared: Annotated[int, counter("Hot, but mapped by other processes too.")]
    held: Annotated[
        int, counter("Hot, but not to be tried again yet after a failure, or waiting to be split.")
    ]
    bound: Annotated[
        int,
        counter("Hot, but a memory policy or cpuset allows no fast node, or is not known yet."),
    ]
    discarded: Annotated[int, counter("Page-table pages that were garbage.", "tables")]
    skipped: Annotated[
        int, counter("Visits that were left out, as the process had not run.", "visits")
    ]
    again: Annotated[
        int,
        counter(
            "Promoted pages that were accessed again on the fast tier, once each; by a sample."
        ),
    ]
    returned: Annotated[
        int, counter("Promoted pages that were found on the slow tier again; by a sample.")
    ]
    split: Annotated[
        int,
        counter("Of huge pages that were split, to look inside or to promote parts of them."),
    ]
    collapsed: Annotated[int, counter("Of huge pages that were made again of what was split.")]
    unresized: Annotated[int, counter("Of huge pages that could not be split, or made again.")]
    saved_s: Annotated[
        float, counter("Time that promoted pages saved their process: an estimate.", "s")
    ] = 0.0
    spent_s: Annotated[float, counter("CPU time of scanning and of moving pages.", "s")] = 0.0


@dataclass(frozen=True, slots=True)
class Moved:
    """One batch went through move_pages; 4 KiB pages."""

    process: Process
    target: int | None
    """None where nothing was tried: no node had room (ENOMEM), the source went offline (ENODEV), or
    the kernel refused (EPERM)."""
    seconds: float
    promoted: Annotated[
        int,
        counter(
            "Moved to their node on the fast tier. Not the rest of a large folio that came along."
        ),
    ]
    already_there: Annotated[
        int, counter("On the list, and found on their target when their turn came.")
    ]
    failed: Mapping[str, int]
    """By the name of the errno, as ENOMEM. ELSEWHERE: another program moved the page."""
    demoted: Annotated[int, counter("Moved to the slow tier.")] = 0
    """Of a batch that is demoted, in place of `promoted`."""
    promoted_huge: Annotated[
        int, counter("Of the promoted pages, those of huge pages that moved whole.")
    ] = 0
    demoted_huge: Annotated[
        int, counter("Of the demoted pages, those of huge pages that moved whole.")
    ] = 0


@dataclass(frozen=True, slots=True)
class EffortChanged:
    """A process is scanned less, as promoting does not pay for it, or as usual again."""

    process: Process
    effort: str
    """`full`, `slowed` or `stopped`."""
    why: str
    """With the figures behind it."""


@dataclass(frozen=True, slots=True)
class Planned:
    """In a dry run that clears bits: what would be moved of a process now. 4 KiB pages."""

    process: Process
    promote: int
    demote: int
    promote_from: float | None
    """Accesses a second of the coldest page to promote; None where there is none."""
    demote_to: float | None
    """The same of the hottest page to demote."""
    gained: float
    """Accesses a second that would go to the fast tier and go to the slow one now."""
    saved_ms: float
    """Time that this saves the process in a second, at the least."""
    moves_ms: float
    """CPU time of the moves, once."""


@dataclass(frozen=True, slots=True)
class TopologyChanged:
    """Memory or nodes came online, or went."""

    fast: tuple[int, ...]
    """Nodes that pages are promoted to, from now on."""
    slow: tuple[int, ...]


Event = (
    ProcessEntered
    | ProcessLeft
    | PassStart
    | PassEnd
    | Moved
    | EffortChanged
    | Planned
    | TopologyChanged
)


class Observer(Protocol):
    """Gets every event, from the thread in which it happened; it must be quick."""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        ...


def expendable(observer: Observer, say: Callable[[str], None]) -> Observer:
    """An observer that may fail: it gets no more events then, and that is said once."""
    left = [observer]

    def observe(event: Event) -> None:
        for each in list(left):
            try:
                each(event)
            except Exception as error:  # it is not ours: anything can come
                with suppress(ValueError):  # the other thread was first
                    left.remove(each)
                    say(f"an observer failed and gets no more events: {error!r}")

    return observe


def ignore(event: Event) -> None:
    """The observer that is not interested."""
