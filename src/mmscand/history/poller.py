"""Asks the daemon every five seconds, and writes down what it says."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from mmscand.clock import Clock, SystemClock
from mmscand.control.client import ControlClient
from mmscand.errors import MmscandError
from mmscand.history.changes import changes, gone, known_of
from mmscand.history.packing import EVERY_S
from mmscand.history.samples import sample_of
from mmscand.history.writer import HistoryWriter
from mmscand.observe.groups import Groups, by_rule_or_name

_END_S = 2.0
"""A daemon that hangs is not waited for: what it says later is not written."""


_MOST_SHARE = 1 / 200
"""Of the time may be spent on the questions: the daemon works for most of it. With 1500 processes a
round takes 0.1 s, and comes each 20 s."""


class Poller:
    """One thread. `wall` is Unix time, `clock` the time to wait by."""

    def __init__(
        self,
        daemon: ControlClient,
        writer: HistoryWriter,
        say: Callable[[str], None],
        *,
        also: Sequence[Groups] = (),
        clock: Clock | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`also` are other sums over the same answers."""
        self._daemon = daemon
        self._writer = writer
        self._say = say
        self._groups = Groups(by_rule_or_name)
        self._also = tuple(also)
        self._clock = clock or SystemClock()
        self._wall = wall
        self._known = writer.known()
        self._trouble = ""
        self._stop = False
        self._wakeup = threading.Condition()
        self._thread = threading.Thread(target=self.run, name="mmscand-history", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join(_END_S)

    def end(self) -> None:
        """`run` returns soon; from any thread."""
        with self._wakeup:
            self._stop = True
            self._wakeup.notify_all()

    def run(self) -> None:
        """Until `end`."""
        while not self._stop:
            began = self._clock.now()
            self.poll()
            wanted = (self._clock.now() - began) / _MOST_SHARE
            with self._wakeup:
                if not self._stop:
                    # On the whole fives of the clock on the wall: samples of minutes are whole too.
                    more = max(0.0, wanted - EVERY_S) // EVERY_S * EVERY_S
                    self._clock.wait(self._wakeup, more + EVERY_S - self._wall() % EVERY_S)

    def poll(self) -> None:
        """Once. What fails is said once, until it works again."""
        try:
            self._poll(int(self._wall()))
        except MmscandError as error:
            if str(error) != self._trouble:
                self._say(f"history: {error}")
            self._trouble = str(error)
        else:
            if self._trouble:
                self._say("history: it works again")
            self._trouble = ""

    def _poll(self, now: int) -> None:
        try:
            status, knobs = self._daemon.status(), self._daemon.knobs()
            processes = self._daemon.processes()["processes"]
        except MmscandError as error:
            away = list(gone(self._known, str(error)))
            if away:
                self._known["away"] = True
                self._writer.add(now, None, away, {"away": True})
            raise
        if self._stop:
            return
        start = status["start_timestamp"]
        for each in self._also:
            each.take(start, processes)
        sample = sample_of(status, self._groups.take(start, processes))
        known = known_of(status, knobs)
        what_changed = list(changes(self._known, known))
        stored = known if known != self._known else None
        self._writer.add(now, sample, what_changed, stored)
        self._known = known
