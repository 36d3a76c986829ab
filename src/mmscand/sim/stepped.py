"""The daemon on a simulated machine, in one thread: no thread and no clock makes figures differ.

Scanner and migrator are those of `mmscand run`; here they take turns instead of running beside each
other, and time stands still but for what they are charged and for what the caller lets pass.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.migrate.migrator import Migrator
from mmscand.observe.events import Observer
from mmscand.observe.why import ProcessRates
from mmscand.scan.rules import Rules
from mmscand.scan.scanner import Scanner
from mmscand.scan.visit import Watcher
from mmscand.settings import Settings
from mmscand.settings_store import SettingsStore

Worker = Literal["scanner", "migrator", "world"]


class SteppedClock:
    """See sim.cost.Spends. Each worker has a view of it with its own CPU time."""

    def __init__(self) -> None:
        self.time = 0.0
        self.working: Worker = "world"
        self._cpu: dict[Worker, float] = defaultdict(float)

    def now(self) -> float:
        """Seconds."""
        return self.time

    def spend(self, seconds: float) -> None:
        """The one that works does so for these seconds."""
        self.time += seconds
        self._cpu[self.working] += seconds

    def cpu(self, worker: Worker) -> float:
        """Seconds that it has worked."""
        return self._cpu[worker]


class _View:
    """See clock.Clock: of one worker, which never waits."""

    def __init__(self, clock: SteppedClock, worker: Worker) -> None:
        self._clock, self._worker = clock, worker

    def now(self) -> float:
        return self._clock.time

    def thread_cpu(self) -> float:
        return self._clock.cpu(self._worker)

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        raise AssertionError(f"the {self._worker} waits in a run of one thread")

    def rest(self, seconds: float) -> None:
        self._clock.time += seconds


class SteppedDaemon:
    """Does all that is due whenever it is asked to."""

    def __init__(
        self,
        machine: Machine,
        clock: SteppedClock,
        settings: Settings,
        observer: Observer,
        watcher: Watcher | None = None,
    ) -> None:
        self._clock = clock
        self._store = SettingsStore(settings)
        self._list = MigrationList(settings.migration_list_slots)
        self._scanner = Scanner(
            machine,
            lambda processes: processes,
            self._list,
            self._store,
            _View(clock, "scanner"),
            observer,
            Rules(),
            stop=threading.Event(),
            wakeup=threading.Condition(),
            watcher=watcher,
        )
        self._migrator = Migrator(
            machine=machine,
            migration_list=self._list,
            settings=self._store,
            clock=_View(clock, "migrator"),
            observer=observer,
            report=self._scanner.report,
        )

    @property
    def waiting(self) -> int:
        """4 KiB pages that wait to be promoted."""
        return self._list.pages()[0]

    def rates(self) -> tuple[ProcessRates, ...]:
        """What is known of how often pages are accessed."""
        return self._scanner.answers.rates()

    def scan(self) -> float:
        """Visit what is due; clock time of what is due next."""
        return self._working("scanner", self._scanner.step)

    def migrate(self) -> float:
        """Move what may be moved; clock time from which more may."""
        return self._working("migrator", self._migrator.step)

    def _working(self, worker: Worker, step: Callable[[], float]) -> float:
        before, self._clock.working = self._clock.working, worker
        try:
            return step()
        finally:
            self._clock.working = before
