"""Events as lines: for people, or one JSON object each."""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

from mmscand.cli.lines import LineWriter, to_standard_output
from mmscand.model import PAGE_BYTES
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
from mmscand.shown import json_text

_WAITING_LINES = 10_000
"""A megabyte of text: minutes of events."""
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


class EventPrinter:
    """Writes lines to standard output from a thread of its own.

    The daemon's threads never wait for whoever reads them: behind a full pipe or on a full disk,
    lines are dropped, and a line with their number follows as soon as there is room. Only a pipe
    without a reader ends the output; the daemon goes on without.
    """

    def __init__(
        self, json_lines: bool, write: Callable[[bytes], int] = to_standard_output
    ) -> None:
        self._json_lines = json_lines
        self._writer = LineWriter(write, sys.stdout.encoding or "utf-8")
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=_WAITING_LINES)
        self._no_room = self._unwritten = self._told = 0
        self._thread = threading.Thread(target=self._write, name="mmscand-print", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Print one event, or nothing when it tells a person nothing."""
        line = as_json(event) if self._json_lines else as_text(event)
        if line:
            self.say(line)

    def say(self, line: str) -> None:
        """Print a line, if there is room for it."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._no_room += 1

    def _write(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            while (line := self._lines.get()) is not None:
                if not self._writer.write(line):
                    self._unwritten += 1
                self._tell_dropped()
            self._tell_dropped()
            self._writer.finish()

    def _tell_dropped(self) -> None:
        dropped = self.dropped
        if dropped > self._told and self._writer.write(
            _dropped(dropped - self._told, self._json_lines)
        ):
            self._told = dropped

    @property
    def dropped(self) -> int:
        """Lines for which there was no room, here or where they go."""
        return self._no_room + self._unwritten

    def close(self) -> None:
        """Let what waits be written, for a second at most."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=0.5)
        self._thread.join(timeout=0.5)


def _dropped(lines: int, json_lines: bool) -> str:
    if json_lines:
        return json_text({"event": "dropped", "lines": lines})
    return f"{lines} lines were dropped: standard output took no more"


def as_json(event: Event) -> str:
    """One object; `at` is seconds of CLOCK_MONOTONIC."""
    return json_text({"event": EVENT_NAMES[type(event)], "at": time.monotonic(), **asdict(event)})


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
    mib = pages * PAGE_BYTES / 2**20
    where = "nowhere" if event.target is None else f"to node {event.target}"
    done = f"{event.process}: {what} {pages} pages ({mib:.1f} MiB) {where}"
    return f"{done}; failed: {failed}" if failed else done
