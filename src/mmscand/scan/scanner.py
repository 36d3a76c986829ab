"""The scanner thread: looks at each watched process when it is due, sleeps in between."""

import threading
from collections.abc import Callable, Iterable
from itertools import islice

from mmscand.clock import Clock, CpuMeter
from mmscand.engine.registry import policy_of
from mmscand.errors import LeftAlone, MmscandError, OutOfResources, ProcessDenied, ProcessGone
from mmscand.machine import AddressSpace, Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import Outcome, Process
from mmscand.observe.counters import Counters
from mmscand.observe.events import STOPPING, Observer, TopologyChanged
from mmscand.observe.status import BudgetStatus, ProcessStatus
from mmscand.policy.interface import Policy
from mmscand.policy.ranking import Ranking
from mmscand.scan import grid
from mmscand.scan.budget import CpuBudget
from mmscand.scan.mode import Mode
from mmscand.scan.pacing import limits_of, pause_ms
from mmscand.scan.room import FastTierRoom
from mmscand.scan.rules import Rules, Verdict
from mmscand.scan.slot import Slot
from mmscand.scan.urgency import Urgency, earliest
from mmscand.scan.visit import NoWatcher, Visit, Watcher
from mmscand.scan.visit_order import VisitOrder
from mmscand.scan.watched import Watched
from mmscand.settings_store import SettingsStore

_LATE_S = 1.0
"""A visit that comes later than this after it was due waits for the budget."""
_LOOK_S = 1.0
"""Time between two looks for new processes."""


class Scanner:
    """Runs until `stop` is set; whoever sets it, or changes `enabled`, notifies `wakeup`."""

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
        self._machine = machine
        self._list = migration_list
        self._store = settings
        self._settings = settings.current
        self._clock = clock
        self._observer = observer
        self._stop = stop
        self._wakeup = wakeup
        self._mode = mode
        self._watcher = watcher or NoWatcher()
        self._ranking = Ranking(FastTierRoom(machine, migration_list, settings), clock.now)
        self._watched = Watched(machine, select, rules, self._slot_of, observer)
        self._watched.bulk.wanted = self._settings.shared_memory and mode.moves
        self._rules = self._wanted_rules = rules
        self._look_due = 0.0
        self._rest_until = 0.0
        self._first_look = True
        self._aging = CpuMeter(clock)
        self._budget = CpuBudget(clock, self._settings)
        self._order = VisitOrder()
        self._urgency = Urgency()
        self._reading: set[Slot] = set()
        """Bits of these were just cleared: the reads that follow go on debt, the next clearing
        waits for the budget."""
        self._bursts = False

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """CPU time so far, of scanning and of aging."""
        aging = self._aging.seconds
        return {"scanning": max(0.0, self._budget.used_s - aging), "aging": aging}

    def run(self) -> None:
        """The thread's whole life."""
        self._budget.charge()
        try:
            while self._sleep():
                self._cycle()
        finally:
            for process in list(self._watched.slots):
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
        """Go over to new settings; what is due is worked out anew, also for known processes."""
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
        self._watched.bulk.wanted = settings.shared_memory and self._mode.moves
        for slot in self._watched.slots.values():
            slot.adopt(settings)
            if settings.shared_memory != before.shared_memory:
                self._watched.bulk.join(slot)
            self._watched.bulk.hasten(slot, self._clock.now() + slot.period_ms / 1000)

    def _next_due(self) -> float:
        """The next look or visit that the budget allows."""
        first = min(self._look_due, earliest(self._watched.slots.values()))
        due = max(first, self._paid_at(urgent=False))
        urgent = max(self._urgency.due(), self._paid_at(urgent=True))
        return max(min(due, urgent, earliest(self._reading)), self._rest_until)

    def _paid_at(self, *, urgent: bool) -> float:
        """Clock time from which the budget allows work of this kind."""
        ready_at = self._budget.ready_at(urgent=urgent)
        return grid.not_before(ready_at) if ready_at > self._clock.now() else ready_at

    def _cycle(self) -> None:
        """Visit every process that is due and that the budget allows, once."""
        if self._clock.now() >= self._look_due:
            self._look_due = grid.nearest(self._clock.now() + _LOOK_S)
            self._follow_topology()
            self._watched.look()
            watched = set(self._watched.slots.values())
            self._urgency.settle(watched, starts=self._budget.starts)
            self._reading &= watched
            self._first_look = False
        now = self._clock.now()
        due = (slot for slot in self._watched.slots.values() if slot.due <= now)
        for slot in islice(self._order.each(due), self._settings.mms_to_scan):
            if self._may_go_on(slot):
                self._visit(slot)
            elif self._must_rest:
                break
        self._rest_until = self._clock.now() + pause_ms(self._settings) / 1000

    def _follow_topology(self) -> None:
        """Memory and nodes come online and go: tiers are then others for every process."""
        try:
            others = self._machine.topology_changed() and self._machine.refresh_topology()
        except MmscandError:
            return  # in the middle of the change; the next look tries again
        if others:
            topology = self._machine.topology()
            for slot in self._watched.slots.values():
                slot.adopt_topology(topology)
            self._observer(
                TopologyChanged(tuple(sorted(topology.fast)), tuple(sorted(topology.slow)))
            )

    @property
    def _must_rest(self) -> bool:
        return self._stop.is_set() or not self._store.current.scan_enabled

    def _may_go_on(self, slot: Slot) -> bool:
        """After each window: not stopped, not disabled, and CPU time left in the budget."""
        urgent = slot in self._urgency
        if urgent != self._bursts:
            self._bursts = urgent
            self._machine.lower_priority(urgent)
        paid = self._budget.charge(urgent=urgent) or slot in self._reading
        return paid and not self._must_rest

    def _slot_of(self, space: AddressSpace, verdict: Verdict) -> Slot:
        slot = Slot(
            space,
            self._machine.topology(),
            self._list,
            self._settings,
            verdict,
            self._policy_of,
            mode=self._mode,
            aging=self._aging,
            cpu=CpuMeter(self._clock),
            observer=self._observer,
            watcher=self._watcher,
        )
        if not self._first_look:  # what ran before us has had time enough
            slot.due = self._clock.now() + limits_of(self._settings).initial_delay_ms / 1000
        self._watched.bulk.join(slot)
        self._urgency.note(slot, starts=self._budget.starts)
        return slot

    def _policy_of(self, process: Process) -> Policy:
        return policy_of(
            process,
            self._settings,
            self._ranking,
            self._clock.now,
            records=self._watcher.wants_all,
            ages=self._mode.ages,
        )

    def _visit(self, slot: Slot) -> None:
        try:
            self._look_at(slot)
        except ProcessGone:
            self._watched.has_gone(slot.process)
        except ProcessDenied as error:
            self._watched.leave_alone(slot.process, str(error))
        except LeftAlone as error:
            self._watched.leave_alone(slot.process, error.message)
        except OutOfResources:  # the visit goes on when there may be some again
            slot.due = self._clock.now() + _LOOK_S
        if slot.process not in self._watched.slots:
            self._urgency.drop(slot)
            self._reading.discard(slot)

    def _look_at(self, slot: Slot) -> None:
        now, generation = self._clock.now(), slot.generation
        if slot.skip(now):
            self._watched.bulk.visited(slot, slot.due_after(now))
            return
        visit = self._visit_of(slot, now)
        if generation not in (0, slot.generation):
            self._watched.has_called_execve(slot)
            self._look_due = 0.0
        if visit is None:
            return
        due = slot.due_after(visit.started)
        if visit.complete:
            self._watched.bulk.visited(slot, due)
        else:
            slot.due = due
        seconds = self._clock.now() - visit.started
        self._observer(visit.event(slot.process, slot.passes, seconds))

    def _visit_of(self, slot: Slot, now: float) -> Visit | None:
        """Visit it, and enter what that took and brought into the books."""
        urgent, cpu_s, saved_s = slot in self._urgency, slot.cpu.seconds, slot.saved_s
        try:
            with slot.cpu:
                return slot.visit(now, lambda: self._may_go_on(slot))
        finally:
            self._budget.charge(urgent=urgent)
            self._budget.earn(slot.saved_s - saved_s)
            self._order.served(slot.cpu.seconds - cpu_s, worthwhile=slot.worthwhile)
            self._urgency.note(slot, starts=self._budget.starts)
            self._reading.discard(slot)
            if slot.reads_soon:
                self._reading.add(slot)

    def set_rules(self, rules: Rules) -> None:
        """Judge every process anew; called from any thread, who then notifies `wakeup`."""
        self._wanted_rules = rules

    @property
    def left_alone(self) -> dict[Process, str]:
        """Processes that were chosen and are not watched, and why; from any thread."""
        return self._watched.left_alone

    @property
    def credit_percent(self) -> int | None:
        """See observe.status; may be read from any thread."""
        return self._ranking.credit_percent

    def budget_status(self) -> BudgetStatus:
        """How much CPU time is allowed and used; called from any thread."""
        state, now = self._budget.state, self._clock.now()
        slots = list(self._watched.slots.values())
        waiting = sum(slot.due < now - _LATE_S for slot in slots)
        costs = [slot.visit_cost_s for slot in slots if slot.visit_cost_s]
        visit_s = sum(costs) / max(1, len(costs))  # of those never visited too
        round_s = len(slots) * visit_s / max(self._budget.rate, 1e-6)
        return BudgetStatus(
            limit_percent=state.limit_percent,
            earned_percent=state.earned_percent,
            used_percent=state.used_percent,
            burst_left_s=state.burst_left_s,
            waiting=waiting,
            round_s=round_s if waiting else None,
        )

    def status(self, counters: Counters) -> tuple[ProcessStatus, ...]:
        """All slots; called from any thread."""
        slots = list(self._watched.slots.values())
        return tuple(slot.status(counters.of(slot.process)) for slot in slots)

    def report(self, outcome: Outcome) -> None:
        """Hand an outcome to its process' slot; called from the migrator's thread."""
        self._watcher.moved(outcome)
        slot = self._watched.slots.get(outcome.migration.process)
        if slot is not None:
            slot.report(outcome)
