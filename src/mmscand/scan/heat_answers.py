"""Heat of the memory of one process, for people who ask the running daemon."""

from mmscand.clock import Clock
from mmscand.heat.history import History
from mmscand.heat.picture import ProcessHeat, pieces_of
from mmscand.machine import Machine, names_of
from mmscand.model import Process

MOST_PIECES = 256
"""40 KiB of an answer, and more rows than a terminal has."""
_REST = 9.0
"""Times what an answer took, until another one is made: a tenth of a core, however often it is
asked for."""


class HeatAnswers:
    """Made when somebody asks, in the thread of the caller. Nothing is kept for it before."""

    def __init__(self, machine: Machine, clock: Clock) -> None:
        self._machine = machine
        self._clock = clock
        self._latest: dict[Process, tuple[float, ProcessHeat]] = {}
        """Answers that are still good, and until when."""

    def of(self, process: Process, history: History) -> ProcessHeat:
        """A process that has exited has no names any more."""
        now = self._clock.now()
        self._latest = {who: each for who, each in self._latest.items() if each[0] > now}
        if process not in self._latest:
            names = names_of(self._machine, process)
            found = pieces_of(history.row_heat(), history.UNIT, names, MOST_PIECES)
            took = self._clock.now() - now
            self._latest[process] = now + took * (1 + _REST), ProcessHeat(process, found)
        return self._latest[process][1]
