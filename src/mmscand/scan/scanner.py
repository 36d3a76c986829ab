"""The scanner thread: finds processes, looks at each when it is due, sleeps in between."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields

from mmscand.clock import Clock, CpuMeter
from mmscand.errors import ProcessDenied, ProcessGone, TooManyOpenFiles
from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import Look, Outcome, Process
from mmscand.observe.counters import Counters
from mmscand.observe.events import Observer, PassEnd, ProcessEntered, ProcessLeft
from mmscand.observe.status import ProcessStatus
from mmscand.scan import grid
from mmscand.scan.budget import CpuBudget
from mmscand.scan.bulk import BulkAging
from mmscand.scan.pacing import limits_of
from mmscand.scan.rules import Rules, Verdict
from mmscand.scan.slot import Slot
from mmscand.scan.verdicts import Verdicts
from mmscand.settings import Settings, SettingsStore

_REFRESH_S = 1.0
"""Time between two looks for new processes."""
_COUNTS = tuple(field.name for field in fields(PassEnd))[4:]
"""All that a visit counts; the first four fields are told otherwise."""


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
        dry_run: bool = False,
    ) -> None:
        self._machine = machine
        self._select = select
        self._list = migration_list
        self._store = settings
        self._settings = settings.current
        self._clock = clock
        self._observer = observer
        self._stop = stop
        self._wakeup = wakeup
        self._dry_run = dry_run
        self._slots: dict[Process, Slot] = {}
        self._denied: set[Process] = set()
        self._verdicts = Verdicts(machine, rules)
        self._rules = self._wanted_rules = rules
        self._refresh_due = 0.0
        self._rest_until = 0.0
        self._first_look = True
        self._aging = CpuMeter(clock)
        self._unsettled = True
        """The next look has something to do even if nothing has happened to a process."""
        self._bulk = BulkAging(machine)
        self._budget = CpuBudget(clock, self._settings.cpu_budget_percent)

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
            for process in list(self._slots):
                self._leave(process, "mmscand stops")

    def _sleep(self) -> bool:
        """Wait until something is due; False when it is time to go."""
        with self._wakeup:
            while not self._stop.is_set():
                self._adopt()
                if self._settings.scan_enabled:
                    timeout = self._next_due() - self._clock.now()
                    if timeout <= 0:
                        return True
                    self._clock.wait(self._wakeup, timeout)
                else:
                    self._clock.wait(self._wakeup, None)
        return False

    def _adopt(self) -> None:
        """Go over to new settings; what is due is worked out anew, also for known processes."""
        rules = self._wanted_rules
        if rules is not self._rules:
            self._rules = rules
            self._verdicts.replace_rules(rules)
            self._look_now()
        before, settings = self._settings, self._store.current
        if settings is before:
            return
        self._settings = settings
        if self._bulk_wanted(settings) != self._bulk_wanted(before):
            self._bulk = BulkAging(self._machine)
            for slot in self._slots.values():
                self._bulk.join(slot, wanted=self._bulk_wanted(settings))
        self._budget.set_percent(settings.cpu_budget_percent)
        self._rest_until = 0.0
        for slot in self._slots.values():
            slot.adopt(settings)
            slot.due = min(slot.due, self._clock.now() + slot.pacer.period_ms / 1000)

    def _bulk_wanted(self, settings: Settings) -> bool:
        return settings.shared_memory and not self._dry_run

    def _look_now(self) -> None:
        self._refresh_due, self._unsettled = 0.0, True

    def _next_due(self) -> float:
        due = min([self._refresh_due, *(slot.due for slot in self._slots.values())])
        paid = self._budget.ready_at
        if paid > self._clock.now():
            paid = grid.not_before(paid)
        return max(due, self._rest_until, paid)

    def _cycle(self) -> None:
        """Visit every process that is due, once, the longest due first."""
        if self._clock.now() >= self._refresh_due:
            self._refresh()
        now = self._clock.now()
        due = sorted((s for s in self._slots.values() if s.due <= now), key=lambda s: s.due)
        for slot in due[: self._settings.mms_to_scan]:
            if not self._may_go_on():
                break
            self._visit(slot)
        self._rest_until = self._clock.now() + self._settings.scan_sleep_ms / 1000

    def _may_go_on(self) -> bool:
        """After each window: not stopped, not disabled, and CPU time left in the budget."""
        paid = self._budget.charge()
        return paid and not self._stop.is_set() and self._store.current.scan_enabled

    def _refresh(self) -> None:
        """Let go of processes that have exited, take up new ones."""
        look = self._machine.look()
        self._refresh_due = grid.nearest(self._clock.now() + _REFRESH_S)
        if look.quiet and not self._unsettled:
            return
        self._unsettled = False
        self._denied.intersection_update(look.running)
        self._verdicts.keep_only(look.running)
        wanted = {p: v for p, v in self._judged(look) if not v.excluded}
        for process in self._slots.keys() - wanted.keys():
            self._leave(process, "excluded by a rule" if process in look.running else "exited")
        for process, verdict in wanted.items():
            if process in self._slots:
                self._slots[process].judge(verdict)
            else:
                self._enter(process, verdict)
        self._first_look = False

    def _judged(self, look: Look) -> Iterator[tuple[Process, Verdict]]:
        """Those that were chosen, each with its verdict; all are judged, for their children."""
        chosen = set(self._select(look.running)) - self._denied
        for process in look.running:
            judge = self._verdicts.decide if process in look.changed else self._verdicts.of
            try:
                verdict = judge(process)
            except (ProcessGone, ProcessDenied):
                continue
            if process in chosen:
                yield process, verdict

    def _enter(self, process: Process, verdict: Verdict) -> None:
        try:
            space = self._machine.open(process)
        except ProcessGone:
            return
        except ProcessDenied as error:
            self._deny(process, error)
            return
        except TooManyOpenFiles as error:
            self._observer(ProcessLeft(process, 0, str(error)))
            self._unsettled = True
            return
        slot = Slot(
            space,
            self._machine.topology(),
            self._list,
            self._settings,
            verdict,
            dry_run=self._dry_run,
            aging=self._aging,
            observer=self._observer,
        )
        if not self._first_look:  # what ran before us has had time enough
            slot.due = self._clock.now() + limits_of(self._settings).initial_delay_ms / 1000
        self._slots[process] = slot
        self._bulk.join(slot, wanted=self._bulk_wanted(self._settings))
        self._observer(ProcessEntered(process))

    def _visit(self, slot: Slot) -> None:
        process, generation = slot.process, slot.generation
        now = self._clock.now()
        try:
            if slot.skip():
                self._bulk.visited(slot, grid.next_visit(now, slot.pacer.period_ms))
                return
            visit = slot.visit(now, self._may_go_on)
            if generation not in (0, slot.generation):  # execve: it may have another name now
                slot.judge(self._verdicts.decide(process))
                self._look_now()
        except ProcessGone:
            self._leave(process, "exited")
            self._unsettled = True  # should it be there after all, it is taken up again
            return
        except ProcessDenied as error:
            self._leave(process, str(error))
            self._denied.add(process)
            return
        if visit is not None:
            due = grid.next_visit(visit.started, slot.pacer.period_ms)
            if visit.complete:
                self._bulk.visited(slot, due)
            else:
                slot.due = due
            counts = {name: visit.counts[name] for name in _COUNTS}
            seconds = self._clock.now() - visit.started
            self._observer(PassEnd(process, slot.passes, visit.complete, seconds, **counts))

    def _deny(self, process: Process, error: ProcessDenied) -> None:
        self._denied.add(process)
        self._observer(ProcessLeft(process, 0, str(error)))

    def _leave(self, process: Process, why: str) -> None:
        slot = self._slots.pop(process)
        self._bulk.leave(slot)
        slot.close()
        self._observer(ProcessLeft(process, slot.passes, why))

    def set_rules(self, rules: Rules) -> None:
        """Judge every process anew; called from any thread, who then notifies `wakeup`."""
        self._wanted_rules = rules

    def status(self, counters: Counters) -> tuple[ProcessStatus, ...]:
        """All slots; called from any thread."""
        slots = list(self._slots.values())
        return tuple(slot.status(counters.of(slot.process)) for slot in slots)

    def report(self, outcome: Outcome) -> None:
        """Hand an outcome to its process' slot; called from the migrator's thread."""
        slot = self._slots.get(outcome.promotion.process)
        if slot is not None:
            slot.report(outcome)
