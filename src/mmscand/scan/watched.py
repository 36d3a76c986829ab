"""Who is watched: processes that were chosen and that no rule excludes, a slot each."""

from collections.abc import Callable, Iterable, Iterator

from mmscand.errors import OutOfResources, ProcessDenied, ProcessGone
from mmscand.machine import AddressSpace, Machine
from mmscand.model import Look, Process
from mmscand.observe.events import Observer, ProcessEntered, ProcessLeft
from mmscand.scan.bulk import BulkAging
from mmscand.scan.rules import Rules, Verdict
from mmscand.scan.slot import Slot
from mmscand.scan.verdicts import Verdicts


class Watched:
    """The slots. Owned by the scanner thread; others may look at a copy of `slots`."""

    def __init__(
        self,
        machine: Machine,
        select: Callable[[Iterable[Process]], Iterable[Process]],
        rules: Rules,
        make_slot: Callable[[AddressSpace, Verdict], Slot],
        observer: Observer,
    ) -> None:
        self._machine = machine
        self._select = select
        self._make_slot = make_slot
        self._observer = observer
        self._verdicts = Verdicts(machine, rules)
        self._denied: set[Process] = set()
        self._unsettled = True
        """The next look has something to do even if nothing has happened to a process."""
        self.slots: dict[Process, Slot] = {}
        self.bulk = BulkAging(machine)

    def replace_rules(self, rules: Rules) -> None:
        """Judge everybody anew at the next look."""
        self._verdicts.replace_rules(rules)
        self._unsettled = True

    def look(self) -> None:
        """Let go of processes that have exited, take up new ones."""
        look = self._machine.look()
        if look.quiet and not self._unsettled:
            return
        self._unsettled = False
        self._denied.intersection_update(look.running)
        self._verdicts.keep_only(look.running)
        wanted = {p: v for p, v in self._judged(look) if not v.excluded}
        for process in self.slots.keys() - wanted.keys():
            self.leave(process, "excluded by a rule" if process in look.running else "exited")
        for process, verdict in wanted.items():
            if process not in self.slots:
                self._enter(process, verdict)
                continue
            self.slots[process].judge(verdict)
            if process in look.changed:
                self.bulk.join(self.slots[process])  # it may be in another cgroup now

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
            self._denied.add(process)
            self._observer(ProcessLeft(process, 0, str(error)))
            return
        except OutOfResources as error:
            self._observer(ProcessLeft(process, 0, str(error)))
            self._unsettled = True
            return
        self.slots[process] = self._make_slot(space, verdict)
        self._observer(ProcessEntered(process))

    def has_called_execve(self, slot: Slot) -> None:
        """It may have another name now, and so may its children."""
        slot.judge(self._verdicts.decide(slot.process))
        self._unsettled = True

    def has_gone(self, process: Process) -> None:
        """It could not be found; should it be there after all, it is taken up again."""
        self.leave(process, "exited")
        self._unsettled = True

    def is_denied(self, process: Process, error: ProcessDenied) -> None:
        """We may not look at it: do not try again."""
        self.leave(process, str(error))
        self._denied.add(process)

    def leave(self, process: Process, why: str) -> None:
        """Let go of a process."""
        slot = self.slots.pop(process)
        self.bulk.leave(slot)
        if (visit := slot.interrupted()) is not None:
            self._observer(visit)
        slot.close()
        self._observer(ProcessLeft(process, slot.passes, why))
