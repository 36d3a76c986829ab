"""The loop of `mmscand record`: every process, one pass in each period, until it is enough."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mmscand.clock import Clock, CpuMeter
from mmscand.errors import MmscandError, OutOfResources, ProcessDenied, ProcessGone
from mmscand.machine import Machine
from mmscand.model import Process
from mmscand.record.file import RecordingFull, RecordingWriter
from mmscand.record.labels import NO_LABELS, labels_of
from mmscand.record.tables import ProcessPass
from mmscand.record.watched import WatchedProcess

_REST = 9
"""Times the CPU time of a pass until the next one: a tenth of a core, however short the period."""


@dataclass(slots=True)
class Recorded:
    """What came of it so far."""

    passes: int = 0
    processes: int = 0
    """Ever looked at."""
    denied: int = 0
    """Processes that the kernel keeps from us, or for which no descriptor was left."""
    pages: int = 0
    """4 KiB pages looked at, all passes together."""
    size_bytes: int = 0
    """Of all passes, as written."""
    cpu_s: float = 0.0
    """CPU time of the whole loop."""
    late: int = 0
    """Passes that began later than the period says, so that CPU use stays within its bound."""
    ended: str = ""
    """Why it ended, in words."""


class Recorder:
    """Runs in one thread; setting `stop` ends it."""

    def __init__(
        self,
        machine: Machine,
        select: Callable[[Iterable[Process]], Iterable[Process]],
        writer: RecordingWriter,
        clock: Clock,
        stop: threading.Event,
        *,
        period_s: float,
        seconds: float,
        forever: bool,
        names: bool = True,
    ) -> None:
        """`forever`: goes on when nobody is left who was chosen, as others may come. `names`: of
        processes, their mappings and their cgroups.
        """
        self._labels = labels_of(machine) if names else NO_LABELS
        self._machine = machine
        self._select = select
        self._writer = writer
        self._clock = clock
        self._stop = stop
        self._period_s = period_s
        self._seconds = seconds
        self._forever = forever
        self._watched: dict[Process, WatchedProcess] = {}
        self._denied: set[Process] = set()
        self._cpu = CpuMeter(clock)
        self.recorded = Recorded()

    def run(self, after_pass: Callable[[Recorded], None] = lambda recorded: None) -> Recorded:
        """Until it is stopped, full, or out of time or processes."""
        began = self._clock.now()
        try:
            while not self.recorded.ended:
                due = self._pass()
                after_pass(self.recorded)
                self._rest(min(due, began + self._seconds), began + self._seconds)
        except RecordingFull as full:
            self.recorded.ended = str(full)
        finally:
            for watched in self._watched.values():
                watched.close()
        return self.recorded

    def _rest(self, until: float, end: float) -> None:
        if not self._forever and not self._watched:
            self.recorded.ended = "no process is left"
        elif self._stop.wait(max(0.0, until - self._clock.now())):
            self.recorded.ended = "stopped"
        elif self._clock.now() >= end:
            self.recorded.ended = "the time is over"

    def _pass(self) -> float:
        """Look at everybody once; when to do so again."""
        began, cpu_began = self._clock.now(), self._clock.thread_cpu()
        self._find()
        for process in list(self._watched):
            if self._stop.is_set():
                break
            self._look(process)
        self.recorded.passes += 1
        used = self._clock.thread_cpu() - cpu_began
        self.recorded.cpu_s += used
        due, rested = began + self._period_s, self._clock.now() + _REST * used
        self.recorded.late += rested > due
        return max(due, rested)

    def _find(self) -> None:
        running = self._machine.look().running
        self._denied.intersection_update(running)
        for process in set(self._select(running)) - self._watched.keys() - self._denied:
            try:
                space = self._machine.open(process)
            except ProcessGone:
                continue
            except ProcessDenied as error:
                self._deny(process, error)
                continue
            except OutOfResources as error:
                self._put_off(error)
                continue
            self._watched[process] = WatchedProcess(space, self._cpu, self._labels)
            self.recorded.processes += 1

    def _look(self, process: Process) -> None:
        watched, number = self._watched[process], self.recorded.passes + 1
        at_ns = int(self._clock.now() * 1e9)
        try:
            seen = watched.look(number, at_ns)
        except ProcessDenied as error:
            self._watched.pop(process).close()
            self._deny(process, error)
            return
        except OutOfResources as error:
            self._watched.pop(process).close()  # a part of a pass is none
            self._put_off(error)
            return
        except ProcessGone:
            seen = watched.gone(number, at_ns)
            self._watched.pop(process).close()
        self._write(seen)

    def _deny(self, process: Process, error: MmscandError) -> None:
        """Go on without it, unless it was asked for by its number."""
        if not self._forever:
            raise error
        self._denied.add(process)
        self.recorded.denied += 1

    def _put_off(self, error: OutOfResources) -> None:
        """It is taken up in the next pass, unless it was asked for by its number."""
        if not self._forever:
            raise error

    def _write(self, seen: ProcessPass) -> None:
        self.recorded.pages += int(seen.about["pages"][0])
        self.recorded.size_bytes += self._writer.write(seen)
