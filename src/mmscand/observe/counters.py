"""Sums of what happened, in all and by process: what `status`, `ps` and the API count.

The RFC's counters (kmmscand-rfc section 1.4) with one exact meaning each: pages are 4 KiB pages,
also of a huge page, and failures are told by reason.

passes      complete passes over an address space (nr_kmmscand_mm_scans)
visits      looks at a process, complete or not
skipped     visits left out, as the process had not run; told by the visit that follows
examined    pages that had an entry in the page tables that were read
slow        of these, present on the slow tier (slowtier)
accessed    of these, with the Accessed bit set since it was cleared last
idle        of these, without it (idlepage)
fast, fast_accessed  of the examined, present on other nodes (toptier); with the bit set
hot, cold   to be promoted by the policy; on the fast tier and to be demoted
queued      of both, put on the migration list (migadded)
waiting     hot or cold, and on the list since an earlier pass; each pass counts it again
cooled      struck off the list: while they waited they became what had better stay
shared, held hot but mapped by others too; hot but waiting after a failure, or to be split
bound       hot but kept on slow nodes by a memory policy or a cpuset, or not known not to be
aged        pages that were covered by aging
unaged      pages whose bit could not be cleared, so that it says nothing: no candidates
promoted    pages that were moved to their target (migrated). Not the rest of a large folio that
            came along, nor what was there before
demoted     the same of pages that were moved to the slow tier, by policy capacity
already_there  pages on the list that were found on their target when their turn came
failed_X    pages that did not move, X the errno (migrate_failed); ELSEWHERE is a page on neither
            its source nor the target, ENOENT one that was freed
again       promoted pages that were accessed again on the top tier, each once; by a sample
returned    promoted pages that were found on the slow tier again; by a sample
split       pages of huge pages that were split, to look inside or to promote parts of them
collapsed   pages of huge pages that were made again of those
unresized   pages of huge pages that could not be split, or not be made again
discarded   page-table pages that were garbage
"""

import threading
from collections import Counter
from collections.abc import Mapping

from mmscand.model import Process
from mmscand.observe.events import Event, Moved, PassEnd, ProcessEntered, ProcessLeft

_SUMMED = (
    "examined",
    "slow",
    "accessed",
    "fast",
    "fast_accessed",
    "hot",
    "cold",
    "queued",
    "waiting",
    "cooled",
    "shared",
    "held",
    "bound",
    "aged",
    "unaged",
    "discarded",
    "skipped",
    "again",
    "returned",
    "split",
    "collapsed",
    "unresized",
)


class Counters:
    """An observer that adds up; read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total: Counter[str] = Counter()
        self._by_process: dict[Process, Counter[str]] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if isinstance(event, ProcessEntered):
                self._by_process[event.process] = Counter()
            elif isinstance(event, ProcessLeft):
                self._by_process.pop(event.process, None)
            elif isinstance(event, PassEnd | Moved):
                more = _of_pass(event) if isinstance(event, PassEnd) else _of_move(event)
                self._total.update(more)
                if event.process in self._by_process:
                    self._by_process[event.process].update(more)

    def total(self) -> Mapping[str, int]:
        """Since the start, also of processes that have left."""
        with self._lock:
            return dict(self._total)

    def of(self, process: Process) -> Mapping[str, int]:
        """Since the process was taken up."""
        with self._lock:
            return dict(self._by_process.get(process, {}))


def _of_pass(event: PassEnd) -> dict[str, int]:
    counts = {name: getattr(event, name) for name in _SUMMED}
    idle = event.slow - event.accessed
    return {**counts, "idle": idle, "visits": 1, "passes": int(event.complete)}


def _of_move(event: Moved) -> dict[str, int]:
    failed = {f"failed_{reason}": pages for reason, pages in event.failed.items()}
    moved = {"promoted": event.promoted, "demoted": event.demoted}
    return {**moved, "already_there": event.already_there, **failed}
