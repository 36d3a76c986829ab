"""The scanner thread: finds processes, looks at each when it is due, sleeps in between."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mmscand.clock import Clock
from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import Outcome, Process
from mmscand.observe.events import Observer, PassEnd, ProcessEntered, ProcessLeft
from mmscand.scan.slot import Slot
from mmscand.settings import Settings


@dataclass(slots=True)
class Scanner:
    """Runs until `stop` is set; whoever sets it, or changes `enabled`, notifies `wakeup`."""

    machine: Machine
    select: Callable[[Iterable[Process]], Iterable[Process]]
    """Which of the machine's processes are watched."""
    migration_list: MigrationList
    settings: Settings
    clock: Clock
    observer: Observer
    stop: threading.Event
    enabled: threading.Event
    wakeup: threading.Condition
    dry_run: bool = False
    _slots: dict[Process, Slot] = field(default_factory=dict)
    _denied: set[Process] = field(default_factory=set)
    _refresh_due: float = 0.0

    def run(self) -> None:
        """The thread's whole life."""
        try:
            while self._sleep():
                self._cycle()
        finally:
            for process in list(self._slots):
                self._leave(process, "mmscand stops")

    def _sleep(self) -> bool:
        """Wait until something is due; False when it is time to go."""
        with self.wakeup:
            while not self.stop.is_set():
                if self.enabled.is_set():
                    timeout = self._next_due() - self.clock.now()
                    if timeout <= 0:
                        return True
                    self.clock.wait(self.wakeup, timeout)
                else:
                    self.clock.wait(self.wakeup, None)
        return False

    def _next_due(self) -> float:
        return min([self._refresh_due, *(slot.due for slot in self._slots.values())])

    def _cycle(self) -> None:
        """Visit every process that is due, once."""
        if self.clock.now() >= self._refresh_due:
            self._refresh()
        for process, slot in list(self._slots.items()):
            if self.stop.is_set() or not self.enabled.is_set():
                return
            if slot.due <= self.clock.now():
                self._visit(process, slot)

    def _refresh(self) -> None:
        """Let go of processes that have exited, take up new ones."""
        running = list(self.machine.processes())
        self._denied.intersection_update(running)
        wanted = [p for p in self.select(running) if p not in self._denied]
        for process in self._slots.keys() - set(wanted):
            self._leave(process, "exited")
        for process in wanted:
            if process not in self._slots:
                self._enter(process)
        self._refresh_due = self.clock.now() + self.settings.scan_period_ms / 1000

    def _enter(self, process: Process) -> None:
        try:
            space = self.machine.open(process)
        except ProcessGone:
            return
        except ProcessDenied as error:
            self._denied.add(process)
            self.observer(ProcessLeft(process, 0, str(error)))
            return
        self._slots[process] = Slot(
            space,
            self.machine.topology(),
            self.migration_list,
            self.settings,
            dry_run=self.dry_run,
        )
        self.observer(ProcessEntered(process))

    def _visit(self, process: Process, slot: Slot) -> None:
        started = self.clock.now()
        slot.due = started + self.settings.scan_period_ms / 1000
        try:
            counts = slot.scan(self.stop)
        except ProcessGone:
            self._leave(process, "exited")
            return
        except ProcessDenied as error:
            self._denied.add(process)
            self._leave(process, str(error))
            return
        if counts is not None:
            names = ("examined", "slow", "accessed", "aged", "hot", "queued", "shared", "discarded")
            self.observer(
                PassEnd(
                    process,
                    slot.passes,
                    self.clock.now() - started,
                    **{name: counts[name] for name in names},
                )
            )

    def _leave(self, process: Process, why: str) -> None:
        slot = self._slots.pop(process)
        slot.close()
        self.observer(ProcessLeft(process, slot.passes, why))

    def report(self, outcome: Outcome) -> None:
        """Hand an outcome to its process' slot; called from the migrator's thread."""
        slot = self._slots.get(outcome.promotion.process)
        if slot is not None:
            slot.report(outcome)
