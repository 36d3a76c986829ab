"""Events by name, and as sentences."""

from mmscand.observe.events import (
    EXITED,
    STOPPING,
    EffortChanged,
    Event,
    Moved,
    PassEnd,
    PassStart,
    Planned,
    ProcessEntered,
    ProcessLeft,
    TopologyChanged,
)

_PAGES_A_MIB, _KIB_A_PAGE = 256, 4
EVENT_NAMES: dict[type, str] = {
    ProcessEntered: "process_entered",
    ProcessLeft: "process_left",
    PassStart: "pass_start",
    PassEnd: "pass_end",
    Moved: "moved",
    EffortChanged: "effort_changed",
    Planned: "planned",
    TopologyChanged: "topology_changed",
}
_EFFORTS = {"full": "scanned as usual", "slowed": "scanned less", "stopped": "left alone for now"}


def as_text(event: Event) -> str:
    """A sentence, or '' for an event in which nothing happened."""
    match event:
        case Moved():
            return _moved(event)
        case TopologyChanged():
            fast, slow = (",".join(map(str, nodes)) or "none" for nodes in (event.fast, event.slow))
            return f"memory or nodes have changed: fast nodes {fast}; slow nodes {slow}"
        case EffortChanged():
            return f"{event.process}: {_EFFORTS[event.effort]}, {event.why}"
        case PassEnd() if event.hot and not event.queued + event.waiting:
            return _none_queued(event)
        case ProcessLeft() if event.passes or event.why not in (EXITED, STOPPING):
            return f"{event.process}: {event.why}, after {event.passes} passes"
    return ""


def _none_queued(event: PassEnd) -> str:
    """Why, where there is a reason."""
    reasons = {
        "wait after a failure or to be split": event.held,
        "are mapped by other processes too": event.shared,
        "may not leave their node": event.bound,
    }
    words = ", ".join(f"{pages} {reason}" for reason, pages in reasons.items() if pages)
    return f"{event.process}: {event.hot} pages are hot, none was queued: {words}" if words else ""


def _moved(event: Moved) -> str:
    failed = ", ".join(f"{pages} {reason}" for reason, pages in sorted(event.failed.items()))
    pages, what = max((event.promoted, "promoted"), (event.demoted, "demoted"))
    mib = pages / _PAGES_A_MIB
    amount = f"{mib:.1f} MiB" if mib >= 1 else f"{pages * _KIB_A_PAGE} KiB"
    where = "nowhere" if event.target is None else f"to node {event.target}"
    done = f"{event.process}: {what} {pages} pages ({amount}) {where}"
    return f"{done}; failed: {failed}" if failed else done
