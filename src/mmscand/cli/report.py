"""Events as lines: for people, or one JSON object each."""

import json
import time
from dataclasses import asdict

from mmscand.model import PAGE_BYTES
from mmscand.observe.events import Event, Moved, PassEnd, ProcessEntered, ProcessLeft

_NAMES: dict[type, str] = {
    ProcessEntered: "process_entered",
    ProcessLeft: "process_left",
    PassEnd: "pass_end",
    Moved: "moved",
}


class EventPrinter:
    """Writes to standard output, a line when something happened."""

    def __init__(self, json_lines: bool) -> None:
        self._json_lines = json_lines

    def __call__(self, event: Event) -> None:
        """Print one event, or nothing when it tells a person nothing."""
        line = as_json(event) if self._json_lines else as_text(event)
        if line:
            print(line, flush=True)


def as_json(event: Event) -> str:
    """One object; `at` is seconds of CLOCK_MONOTONIC."""
    return json.dumps({"event": _NAMES[type(event)], "at": time.monotonic(), **asdict(event)})


def as_text(event: Event) -> str:
    """A sentence, or '' for an event in which nothing happened."""
    match event:
        case Moved():
            return _moved(event)
        case PassEnd() if event.hot and not event.queued:
            return f"{event.process}: {event.hot} pages are hot, none was queued"
        case ProcessLeft() if event.passes or event.why != "exited":
            return f"{event.process}: {event.why}, after {event.passes} passes"
    return ""


def _moved(event: Moved) -> str:
    failed = ", ".join(f"{pages} {reason}" for reason, pages in sorted(event.failed.items()))
    mib = event.promoted * PAGE_BYTES / 2**20
    where = "nowhere" if event.target is None else f"to node {event.target}"
    done = f"{event.process}: promoted {event.promoted} pages ({mib:.1f} MiB) {where}"
    return f"{done}; failed: {failed}" if failed else done
