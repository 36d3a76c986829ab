"""The daemon: builds the parts, starts and stops the two threads."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Self

from mmscand.clock import Clock, Pulse, SystemClock
from mmscand.daemon_status import at_rest, at_work
from mmscand.heat.picture import ProcessHeat
from mmscand.machine import Machine, names_of
from mmscand.migrate.migration_list import MigrationList
from mmscand.migrate.migrator import Migrator
from mmscand.model import Process
from mmscand.observe.counters import Counters
from mmscand.observe.event_log import EventLog, Logged
from mmscand.observe.events import Event, Observer, expendable, ignore
from mmscand.observe.recent import Recent
from mmscand.observe.status import DaemonStatus, ProcessStatus
from mmscand.observe.why import ProcessRates, ProcessWhy
from mmscand.policy.target import require_target
from mmscand.scan.mode import Mode
from mmscand.scan.rules import Rules
from mmscand.scan.scanner import Scanner
from mmscand.scan.visit import ExpendableWatcher, Watcher
from mmscand.settings import Settings
from mmscand.settings_store import SettingsStore

if TYPE_CHECKING:
    from mmscand.scan.heat_answers import HeatAnswers

SCAN_THREAD, MIGRATE_THREAD = "mmscand-scan", "mmscand-migrate"
STUCK_S = 60.0
"""A window of a pass takes milliseconds and a batch of moves a second, on a bad day a few."""


def say_on_stderr(text: str) -> None:
    """A line for a person, if standard error takes it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr)


class Daemon:
    """Scans and promotes until it is stopped. Safe to call from any thread."""

    def __init__(
        self,
        machine: Machine,
        select: Callable[[Iterable[Process]], Iterable[Process]] = lambda processes: processes,
        *,
        settings: Settings | SettingsStore | None = None,
        rules: Rules | None = None,
        observer: Observer = ignore,
        clock: Clock | None = None,
        mode: Mode = Mode.FULL,
        on_failure: Callable[[], None] = lambda: None,
        watcher: Watcher | None = None,
        say: Callable[[str], None] = say_on_stderr,
    ) -> None:
        self._machine = machine
        self._select = select
        self.settings = settings if isinstance(settings, SettingsStore) else SettingsStore(settings)
        self._rules = rules or Rules()
        self._clock = clock or SystemClock()
        self._counters = Counters()
        self._recent = Recent(self._clock.now, self._counters.total, on=self.enabled)
        self._log = EventLog()
        observers = self._recent, self._counters, self._log, expendable(observer, say)
        self._observer = _each(observers)
        self._mode = mode
        self._on_failure = on_failure
        self._watcher = None if watcher is None else ExpendableWatcher(watcher, say)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._wakeup = threading.Condition()
        self.settings.require(lambda wanted: require_target(machine.topology(), wanted.target_node))
        self.settings.listen(self._wake)
        self.failure: BaseException | None = None
        """What ended a thread before its time; raised by stop()."""

    def start(self) -> None:
        """Start both threads. Starting twice is one start; a failed start leaves nothing."""
        with self._lock:
            if self._running is None:
                self._running = self._launch()

    def _launch(self) -> "_Running":
        stop = threading.Event()
        scan_pulse, migrate_pulse = Pulse(self._clock), Pulse(self._clock)
        migration_list = MigrationList(self.settings.current.migration_list_slots)
        scanner = Scanner(
            self._machine,
            self._select,
            migration_list,
            self.settings,
            scan_pulse,
            self._observer,
            self._rules,
            stop=stop,
            wakeup=self._wakeup,
            mode=self._mode,
            watcher=self._watcher,
        )
        migrator = Migrator(
            machine=self._machine,
            migration_list=migration_list,
            settings=self.settings,
            clock=migrate_pulse,
            observer=self._observer,
            report=scanner.report,
        )
        running = _Running(stop, migration_list, self._wakeup, scanner, migrator)
        try:
            running.spawn(SCAN_THREAD, self._guarded(scanner.run), scan_pulse)
            running.spawn(MIGRATE_THREAD, self._guarded(migrator.run), migrate_pulse)
        except BaseException:
            running.end()
            raise
        return running

    def _guarded(self, run: Callable[[], None]) -> Callable[[], None]:
        """A thread never dies in silence: what ends it is kept, and the owner is notified."""

        def body() -> None:
            try:
                run()
            except BaseException as error:  # the top of the thread: stop() raises it again
                self.failure = error
                self._on_failure()

        return body

    def stop(self) -> None:
        """End both threads and wait for them; whatever failed in them is raised here."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.end()
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def __enter__(self) -> Self:
        """Start; it is stopped at the end of the context."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def set_rules(self, rules: Rules) -> None:
        """Judge every process by these, from now on."""
        with self._lock:
            self._rules = rules
            if self._running is not None:
                self._running.scanner.set_rules(rules)
        self._wake()

    def status(self) -> DaemonStatus:
        """How everything stands."""
        running = self._running
        stands = at_rest(
            self._machine,
            self._counters,
            self._recent,
            enabled=self.enabled,
            running=running is not None,
            dry_run=not self._mode.moves,
            trouble=self.trouble(),
            generation=self.settings.generation,
        )
        if running is None:
            return stands
        cpu_seconds = running.cpu_seconds
        queued_slots = len(running.migration_list)
        return at_work(stands, running.scanner.answers, self._counters, cpu_seconds, queued_slots)

    def process(self, pid: int) -> ProcessStatus | None:
        """How one process stands; None where it is not watched."""
        running = self._running
        return running.scanner.answers.process_status(pid, self._counters) if running else None

    def left_alone(self, pid: int) -> str:
        """Why a process that was chosen is not watched; '' for any other."""
        running = self._running
        others = running.scanner.answers.left_alone if running else {}
        return next((why for process, why in others.items() if process.pid == pid), "")

    @cached_property
    def _heat(self) -> "HeatAnswers":
        from mmscand.scan.heat_answers import HeatAnswers  # noqa: PLC0415 - for the few who ask

        return HeatAnswers(self._machine, self._clock)

    def heat(self, pid: int) -> ProcessHeat | None:
        """What is known of the memory of a process; None where it is not watched."""
        running = self._running
        scanner = running.scanner.answers.scanner_of(pid) if running else None
        return None if scanner is None else self._heat.of(scanner.process, scanner.answers.history)

    def why(self, pid: int, address: int | None = None) -> ProcessWhy | None:
        """Why the memory of a process is where it is; None where it is not watched."""
        running = self._running
        scanner = running.scanner.answers.scanner_of(pid) if running else None
        if running is None or scanner is None:
            return None
        from mmscand.scan.why import Why  # noqa: PLC0415 - for the few who ask

        names = names_of(self._machine, scanner.process)
        return Why(scanner.answers, self._clock.now()).of(
            names, address, running.scanner.answers.edge
        )

    def rates(self) -> tuple[ProcessRates, ...]:
        """Of all processes of which rates are known."""
        running = self._running
        return running.scanner.answers.rates() if running else ()

    def events(self, since: int = 0) -> tuple[Logged, ...]:
        """The latest events, after the one of this number."""
        return self._log.since(since)

    def trouble(self) -> str:
        """What is wrong with its threads, in words; '' when they get on or are not wanted."""
        running = self._running
        return "; ".join(running.troubles()) if running is not None else ""

    def _wake(self) -> None:
        self._recent.switched(on=self.enabled)
        with self._wakeup:
            self._wakeup.notify_all()
        if (running := self._running) is not None:
            running.migration_list.resize(self.settings.current.migration_list_slots)
            running.migration_list.wake()

    def enable(self) -> None:
        """Scan (again)."""
        self.settings.change({"scan_enabled": True})

    def disable(self) -> None:
        """Sleep until enabled or stopped; what is on the migration list is still moved."""
        self.settings.change({"scan_enabled": False})

    @property
    def enabled(self) -> bool:
        """Whether it scans."""
        return self.settings.current.scan_enabled

    @property
    def running(self) -> bool:
        """Whether its threads are there."""
        return self._running is not None


def _each(observers: Sequence[Observer]) -> Observer:
    def observe(event: Event) -> None:
        for each in observers:
            each(event)

    return observe


class _Running:
    """The threads of one start, and how to end them."""

    def __init__(
        self,
        stop: threading.Event,
        migration_list: MigrationList,
        wakeup: threading.Condition,
        scanner: Scanner,
        migrator: Migrator,
    ) -> None:
        self._stop = stop
        self.migration_list = migration_list
        self._wakeup = wakeup
        self.scanner = scanner
        self._migrator = migrator
        self._threads: dict[threading.Thread, Pulse] = {}

    def spawn(self, name: str, body: Callable[[], None], pulse: Pulse) -> None:
        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        self._threads[thread] = pulse

    def troubles(self) -> Iterator[str]:
        for thread, pulse in self._threads.items():
            if not thread.is_alive():
                yield f"thread {thread.name} has ended"
            elif (silent_s := pulse.silent_s) > STUCK_S:
                yield f"thread {thread.name} has been stuck for {silent_s:.0f} s"

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """What the threads have used so far."""
        return {**self.scanner.cpu_seconds, "moving": self._migrator.cpu_seconds}

    def end(self) -> None:
        with self._wakeup:
            self._stop.set()
            self._wakeup.notify_all()
        self.migration_list.close()
        for thread in self._threads:
            thread.join()
