"""Events as lines: for people, or one JSON object each."""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

from mmscand.cli.lines import LineWriter, to_standard_output
from mmscand.observe.event_words import EVENT_NAMES, as_text
from mmscand.observe.events import Event
from mmscand.shown import json_text

_WAITING_LINES = 10_000
"""A megabyte of text: minutes of events."""


class EventPrinter:
    """Writes lines to standard output from a thread of its own.

    The daemon's threads never wait for the reader: behind a full pipe or on a full disk,
    lines are dropped, and a line with their number follows as soon as there is room. Only a pipe
    without a reader ends the output; the daemon goes on without.
    """

    def __init__(
        self, json_lines: bool, write: Callable[[bytes], int] = to_standard_output
    ) -> None:
        self._json_lines = json_lines
        self._writer = LineWriter(write, sys.stdout.encoding or "utf-8")
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=_WAITING_LINES)
        self._no_room = self._unwritten = self._reported = 0
        self._thread = threading.Thread(target=self._write, name="mmscand-print", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Print one event, or nothing when it says nothing to a person."""
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
        if dropped > self._reported and self._writer.write(
            _dropped(dropped - self._reported, self._json_lines)
        ):
            self._reported = dropped

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
