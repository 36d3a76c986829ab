"""A machine that says when a call that may take long begins and when it has ended."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    began: threading.Event = field(default_factory=threading.Event)
    calls: int = 0
    """Begun so far."""
    started: float = 0.0
    """Clock time of the last begin."""
    ended: float = 0.0
    """Clock time of the last end."""

    def __enter__(self) -> None:
        self.started = time.monotonic()
        self.calls += 1
        self.began.set()

    def __exit__(self, *_: object) -> None:
        self.ended = time.monotonic()


class WatchedMachine:
    """All else is the machine's own."""

    def __init__(self, machine: Any) -> None:  # noqa: ANN401
        self._machine = machine
        self.aging, self.moving = Call(), Call()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._machine, name)

    def open(self, process: Any) -> "WatchedSpace":  # noqa: ANN401
        return WatchedSpace(self._machine.open(process), self)


class WatchedSpace:
    def __init__(self, space: Any, machine: WatchedMachine) -> None:  # noqa: ANN401
        self._space, self._watch = space, machine

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._space, name)

    def age(self, *arguments: Any) -> Any:  # noqa: ANN401
        with self._watch.aging:
            return self._space.age(*arguments)

    def move(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        with self._watch.moving:
            return self._space.move(*arguments, **options)
