"""Follows what a daemon prints with --json while it runs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Events:
    """What was printed so far; `read` looks for more."""

    path: Path
    passes: Counter[int] = field(default_factory=Counter)
    """By process: passes over all of its memory."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Lines by the name of their event."""
    notes: list[str] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    """Processes that are left alone for now, as scanning them does not pay."""
    slow_nodes: list[int] = field(default_factory=list)
    """By the latest change of the topology; none before the first."""
    demoted: int = 0
    not_json: int = 0
    """Lines that are none of the daemon's."""
    _offset: int = field(default=0, init=False)

    def read(self) -> None:
        """Take in what is new; a line half written comes next time."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        # Not splitlines: text of a process may have characters that it takes for an end.
        for line in whole.split(b"\n")[:-1]:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind = str(event["event"])
        except (ValueError, KeyError, TypeError):
            self.not_json += 1
            return
        self.kinds[kind] += 1
        if kind == "effort_changed":
            change = self.stopped.add if event["effort"] == "stopped" else self.stopped.discard
            change(event["process"]["pid"])
        elif kind == "topology_changed":
            self.slow_nodes = sorted(event["slow"])
        elif kind == "note":
            self.notes.append(event["text"])
        elif kind == "pass_end" and event["complete"]:
            self.passes[event["process"]["pid"]] += 1
        elif kind == "moved":
            self.demoted += event["demoted"]
