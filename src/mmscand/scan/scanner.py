"""The scanner thread: looks at each watched process when it is due, sleeps in between."""

import threading
from collections.abc import Callable, Iterable
from itertools import islice
from math import inf

from mmscand.clock import Clock, CpuMeter
from mmscand.engine.registry import policy_of
from mmscand.errors import LeftAlone, MmscandError, OutOfResources, ProcessDenied, ProcessGone
from mmscand.machine import AddressSpace, Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import Outcome, Process
from mmscand.observe.events import STOPPING, Observer, TopologyChanged
from mmscand.policy.interface import Policy
from mmscand.policy.ranking import Ranking
from mmscand.scan import coalesced_timers as timers
from mmscand.scan.budget import CpuBudget
from mmscand.scan.context import ScanContext
from mmscand.scan.mode import Mode
from mmscand.scan.pacing import limits_of, pause_ms
from mmscand.scan.process_scanner import ProcessScanner
from mmscand.scan.room import FastTierRoom
from mmscand.scan.rules import RuleMatch, Rules
from mmscand.scan.scanner_answers import ScannerAnswers
from mmscand.scan.visit import NoWatcher, Watcher
from mmscand.scan.visit_order import VisitSchedule
from mmscand.scan.watched import Watched
from mmscand.settings_store import SettingsStore

_LOOK_S = 1.0
"""Time between two looks for new processes."""
_CYCLE_S = 0.25
"""Then it is asked again which processes are due, and large ones go first: the first visits to 300
small ones took 80 s in emulation, and the bits of a large one that were cleared before them said
nothing. The RFC's profiles have cycles of any length."""
_SLICE_S = 0.05
"""A visit that takes longer goes on after one to each other process that is due and has at most a
GiB: that one does not wait for the first visit to 64 GiB, which takes 1.0 s. The RFC's profiles
visit one after the other."""


class Scanner:
    """Runs until `stop` is set; a thread that sets it or changes `enabled` notifies `wakeup`."""

    def __init__(
        self,
        machine: Machine,
        select: Callable[[Iterable[Process]], Iterable[Process]],
        migration_list: MigrationList,
        settings: SettingsStore,
        clock: Clock,
        observer: Observer,
        rules: Rules,
        *,
        stop: threading.Event,
        wakeup: threading.Condition,
        mode: Mode = Mode.FULL,
        watcher: Watcher | None = None,
    ) -> None:
        self._context = ScanContext(
            machine,
            migration_list,
            clock,
            observer,
            watcher or NoWatcher(),
            mode,
            CpuMeter(clock),
        )
        self._store = settings
        self._settings = settings.current
        self._clock = clock
        self._stop = stop
        self._wakeup = wakeup
        self._ranking = Ranking(FastTierRoom(machine, migration_list, settings), clock.now)
        self._watched = Watched(machine, select, rules, self._scanner_of, observer)
        self._watched.cgroup_aging.wanted = self._settings.shared_memory and mode.moves
        self._rules = self._wanted_rules = rules
        self._look_due = 0.0
        self._rest_until = 0.0
        self._first_look = True
        self._budget = CpuBudget(clock, self._settings)
        self._schedule = VisitSchedule(
            self._watched.scanners, self._budget, clock, machine.lower_priority
        )
        self._was_cut = False
        self.answers = ScannerAnswers(machine, self._watched, self._ranking, self._budget, clock)

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """CPU time so far, of scanning and of aging."""
        aging = self._context.aging.seconds
        return {"scanning": max(0.0, self._budget.used_s - aging), "aging": aging}

    def run(self) -> None:
        """The thread's whole life."""
        self._budget.charge()
        try:
            while self._sleep():
                self._cycle()
        finally:
            for process in list(self._watched.scanners):
                self._watched.leave(process, STOPPING)

    def step(self) -> float:
        """Visit what is due now, in place of `run`; clock time of what is due next."""
        self._adopt()
        if self._next_due() <= self._clock.now():
            self._cycle()
        return self._next_due()

    def _sleep(self) -> bool:
        """Wait until something is due; False when it is time to go."""
        while not self._stop.is_set():
            self._adopt()  # it reads files: not under the lock that a change of knobs waits for
            with self._wakeup:
                if self._stop.is_set() or self._is_behind:
                    continue
                timeout = None
                if self._settings.scan_enabled:
                    timeout = self._next_due() - self._clock.now()
                    if timeout <= 0:
                        return True
                self._clock.wait(self._wakeup, timeout)
        return False

    @property
    def _is_behind(self) -> bool:
        """Whether settings or rules have changed since they were adopted."""
        return self._store.current is not self._settings or self._wanted_rules is not self._rules

    def _adopt(self) -> None:
        """Go over to new settings; what is due is computed again, also for known processes."""
        rules = self._wanted_rules
        if rules is not self._rules:
            self._rules = rules
            self._watched.replace_rules(rules)
            self._look_due = 0.0
        before, settings = self._settings, self._store.current
        if settings is before:
            return
        self._settings = settings
        self._budget.adopt(settings)
        self._rest_until = 0.0
        self._watched.cgroup_aging.wanted = settings.shared_memory and self._context.mode.moves
        for scanner in self._watched.scanners.values():
            scanner.adopt(settings)
            if settings.shared_memory != before.shared_memory:
                self._watched.cgroup_aging.join(scanner)
            self._watched.cgroup_aging.hasten(
                scanner, self._clock.now() + scanner.times.period_ms / 1000
            )

    def _next_due(self) -> float:
        """The next look or visit that the budget allows."""
        return max(self._schedule.next_due(self._look_due), self._rest_until)

    def _cycle(self) -> None:
        """Visit every process that is due and that the budget allows, once."""
        if self._clock.now() >= self._look_due:
            self._look_due = timers.nearest(self._clock.now() + _LOOK_S)
            self._follow_topology()
            self._watched.look()
            self._schedule.settle()
            self._first_look = False
        if self._visit_due():
            self._rest_until = self._clock.now() + pause_ms(self._settings) / 1000
        self._schedule.end_cycle()

    def _visit_due(self) -> bool:
        """False when it took so long that it goes on with those that are due then, without rest."""
        ends, self._was_cut = self._within(_CYCLE_S), False
        for scanner in islice(self._schedule.each(), self._settings.mms_to_scan):
            if not self._may_go_on(scanner):
                break  # the next cycle has those that the budget still allows
            if self._was_cut and scanner.begins_long:
                continue  # else bits that each has cleared first are read when all of them are over
            self._visit(scanner)
            if self._clock.now() >= ends:
                return False
        return not self._was_cut

    def _within(self, seconds: float) -> float:
        """Clock time; never with the RFC's profiles."""
        return self._clock.now() + (seconds if self._settings.profile == "auto" else inf)

    def _follow_topology(self) -> None:
        """Memory and nodes come online and go: tiers are then others for every process."""
        machine = self._context.machine
        try:
            others = machine.topology_changed() and machine.refresh_topology()
        except MmscandError:
            return  # in the middle of the change; the next look tries again
        if others:
            topology = machine.topology()
            for scanner in self._watched.scanners.values():
                scanner.adopt_topology(topology)
            self._context.observer(
                TopologyChanged(tuple(sorted(topology.fast)), tuple(sorted(topology.slow)))
            )

    @property
    def _must_rest(self) -> bool:
        return self._stop.is_set() or not self._store.current.scan_enabled

    def _may_go_on(self, scanner: ProcessScanner) -> bool:
        """After each window: not stopped, not disabled, and CPU time left in the budget."""
        return self._schedule.may_go_on(scanner) and not self._must_rest

    def _goes_on(self, scanner: ProcessScanner, ends: float) -> bool:
        """The same, and its slice has not ended: others have their turn, and it does not wait."""
        if self._clock.now() >= ends:
            self._was_cut, scanner.due = True, self._clock.now()
            return False
        return self._may_go_on(scanner)

    def _scanner_of(self, space: AddressSpace, match: RuleMatch) -> ProcessScanner:
        scanner = ProcessScanner(space, self._settings, match, self._policy_of, self._context)
        if not self._first_look:  # what ran before us has had time enough
            scanner.due = self._clock.now() + limits_of(self._settings).initial_delay_ms / 1000
        self._watched.cgroup_aging.join(scanner)
        self._schedule.note(scanner)
        return scanner

    def _policy_of(self, process: Process) -> Policy:
        return policy_of(
            process,
            self._settings,
            self._ranking,
            self._clock.now,
            records=self._context.watcher.wants_all,
            ages=self._context.mode.ages,
        )

    def _visit(self, scanner: ProcessScanner) -> None:
        try:
            self._look_at(scanner)
        except ProcessGone:
            self._watched.has_gone(scanner.process)
        except ProcessDenied as error:
            self._watched.leave_alone(scanner.process, str(error))
        except LeftAlone as error:
            self._watched.leave_alone(scanner.process, error.message)
        except OutOfResources:  # the visit goes on when there may be some again
            scanner.due = self._clock.now() + _LOOK_S
        if scanner.process not in self._watched.scanners:
            self._schedule.drop(scanner)

    def _look_at(self, scanner: ProcessScanner) -> None:
        now, generation = self._clock.now(), scanner.generation
        if scanner.skip(now):
            self._watched.cgroup_aging.visited(scanner, scanner.times.after(now))
            return
        ends = self._within(_SLICE_S)
        with self._schedule.served(scanner):
            visit = scanner.visit(now, lambda: self._goes_on(scanner, ends))
        if generation not in (0, scanner.generation):
            self._watched.has_called_execve(scanner)
            self._look_due = 0.0
        if visit is None:
            return
        due = scanner.times.after(visit.started)
        if visit.complete:
            self._watched.cgroup_aging.visited(scanner, due)
        else:
            scanner.due = due
        seconds = self._clock.now() - visit.started
        self._context.observer(visit.event(scanner.process, scanner.passes, seconds))

    def set_rules(self, rules: Rules) -> None:
        """Judge every process again; called from any thread, who then notifies `wakeup`."""
        self._wanted_rules = rules

    def report(self, outcome: Outcome) -> None:
        """Hand an outcome to its process' scanner; called from the migrator's thread."""
        self._context.watcher.moved(outcome)
        scanner = self._watched.scanners.get(outcome.migration.process)
        if scanner is not None:
            scanner.report(outcome)
