"""Which processes are watched: those that were chosen and that nothing excludes."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from mmscand.errors import KEPT_FROM_US, LeftAlone, OutOfResources, ProcessDenied, ProcessGone
from mmscand.machine import AddressSpace, Machine
from mmscand.model import Look, Process
from mmscand.observe.events import EXITED, Observer, ProcessEntered, ProcessLeft
from mmscand.scan.cgroup_aging import CgroupAging
from mmscand.scan.process_scanner import ProcessScanner
from mmscand.scan.rule_matches import RuleMatches
from mmscand.scan.rules import RuleMatch, Rules


class Watched:
    """Owned by the scanner thread; others may look at a copy of `scanners`."""

    def __init__(
        self,
        machine: Machine,
        select: Callable[[Iterable[Process]], Iterable[Process]],
        rules: Rules,
        make_scanner: Callable[[AddressSpace, RuleMatch], ProcessScanner],
        observer: Observer,
    ) -> None:
        self._machine = machine
        self._select = select
        self._make_scanner = make_scanner
        self._observer = observer
        self._matches = RuleMatches(machine, rules)
        self._unsettled = True
        """The next look has something to do even if nothing has happened to a process."""
        self._owners: dict[int, Process] = {}
        """By identity of the address space: the process in whose scanner it is."""
        self._identities: dict[Process, int] = {}
        """The same the other way: 1500 processes may exit at once."""
        self.scanners: dict[Process, ProcessScanner] = {}
        self._refused: dict[Process, str] = {}
        """Processes that cannot be watched, and why. They are tried again when something about
        them may have changed."""
        self._excluded: dict[Process, str] = {}
        self.cgroup_aging = CgroupAging(machine)

    def replace_rules(self, rules: Rules) -> None:
        """Judge everybody again at the next look."""
        self._matches.replace_rules(rules)
        self._unsettled = True

    def look(self) -> None:
        """Let go of processes that have exited, take up new ones."""
        look = self._machine.look()
        if look.quiet and not self._unsettled:
            return
        self._unsettled = False
        self._matches.keep_only(look.running)
        judged, denied = self._judged(look)
        for process in self.scanners.keys() - judged.keys() - denied.keys():
            self.leave(process, EXITED)
        there = judged.keys() | denied.keys()
        self._refused = {p: why for p, why in self._refused.items() if p in there}
        for process, why in denied.items():
            self._keeps_out(process, why)
        excluded = {p: f"excluded by a rule: {v}" for p, v in judged.items() if v.excluded}
        for process in self.scanners.keys() & excluded.keys():
            self.leave(process, excluded[process])
        self._excluded = excluded
        for process, match in judged.items():
            if match.excluded:
                continue
            if process in self.scanners:
                self._apply(process, match, look)
            elif process not in self._refused or process in look.changed:
                self._enter(process, match)

    @property
    def left_alone(self) -> dict[Process, str]:
        """Processes that were chosen and have no scanner, and why; from any thread."""
        return self._excluded | self._refused

    def _judged(self, look: Look) -> tuple[dict[Process, RuleMatch], dict[Process, str]]:
        """Those that were chosen: what the rules say, or why that cannot be found out."""
        chosen = set(self._select(look.running))
        known = self.scanners.keys() | self._refused.keys()
        denied = {p: KEPT_FROM_US for p in known if p.pid in look.denied}
        judged = dict[Process, RuleMatch]()
        for process in look.running:  # all, for their children
            try:
                match = self._match_of(process, look)
            except ProcessDenied as error:
                if process in chosen:
                    denied[process] = str(error)
                continue
            if match is not None and process in chosen:
                judged[process] = match
        return judged, denied

    def _match_of(self, process: Process, look: Look) -> RuleMatch | None:
        """None of one that has exited, or cannot be looked at for the first time now."""
        matched = self._matches.decide if process in look.changed else self._matches.of
        try:
            return matched(process)
        except ProcessGone:
            return None
        except OutOfResources:  # as it was, until it can be read again
            self._unsettled = True
            return self._matches.last_of(process)

    def _apply(self, process: Process, match: RuleMatch, look: Look) -> None:
        self.scanners[process].apply(match)
        if process in look.changed:
            self.cgroup_aging.join(self.scanners[process])  # it may be in another cgroup now

    def _enter(self, process: Process, match: RuleMatch) -> None:
        try:
            space = self._machine.open(process)
        except ProcessGone:
            return
        except ProcessDenied as error:
            self._note(process, str(error))
            return
        except OutOfResources as error:
            self._observer(ProcessLeft(process, 0, str(error), for_now=True))
            self._unsettled = True
            return
        try:
            self._take_up(process, space, match)
        except (ProcessGone, ProcessDenied, LeftAlone, OutOfResources) as error:
            space.close()
            if not isinstance(error, ProcessGone):
                self._note(process, str(error))

    def _take_up(self, process: Process, space: AddressSpace, match: RuleMatch) -> None:
        """Make a scanner, unless another process has one of the same address space."""
        identity = space.identity()
        owner = self._owners.get(identity)
        if owner is not None and owner in self.scanners:
            raise LeftAlone(process.pid, f"shares its address space with {owner}")
        if (why := space.unseen_use()) and not match.unseen_use:
            raise LeftAlone(process.pid, why)
        scanner = self._make_scanner(space, match)
        self.scanners[process] = scanner
        self._own(process, identity)
        self._refused.pop(process, None)
        self._observer(ProcessEntered(process))

    def _keeps_out(self, process: Process, why: str) -> None:
        """The kernel says nothing of it that rules could go by."""
        if process in self.scanners:
            self.leave_alone(process, why)
        else:
            self._note(process, why)

    def _note(self, process: Process, why: str) -> None:
        """It is not watched; said once."""
        if self._refused.get(process) != why:
            self._observer(ProcessLeft(process, 0, why))
        self._refused[process] = why

    def has_called_execve(self, scanner: ProcessScanner) -> None:
        """It may have another name now, and so may its children."""
        scanner.apply(self._matches.decide(scanner.process))
        self._disown(scanner.process)
        self._own(scanner.process, scanner.identity)
        self._unsettled = True

    def _own(self, process: Process, identity: int) -> None:
        self._owners[identity], self._identities[process] = process, identity

    def _disown(self, process: Process) -> None:
        """Another process may have the address space now: those left alone are tried again."""
        identity = self._identities.pop(process, None)
        # The kernel may have given the address space's place to another process since.
        if identity is not None and self._owners.get(identity) == process:
            del self._owners[identity]
        sharing = f"shares its address space with {process}"
        for other in [p for p, why in self._refused.items() if why == sharing]:
            del self._refused[other]
            self._unsettled = True

    def has_gone(self, process: Process) -> None:
        """It could not be found; should it be there after all, it is taken up again.

        One whose main thread has ended looks as if it had exited, but can never be aged.
        """
        self._unsettled = True
        try:
            with suppress(ProcessGone, OutOfResources):
                self._machine.open(process).close()
        except ProcessDenied as error:
            self.leave_alone(process, str(error))
        else:
            self.leave(process, EXITED)

    def leave_alone(self, process: Process, why: str) -> None:
        """It is not watched any more, though it was chosen."""
        self._refused[process] = why
        self.leave(process, why)

    def leave(self, process: Process, why: str) -> None:
        """Let go of a process."""
        scanner = self.scanners.pop(process)
        self._disown(process)
        self.cgroup_aging.leave(scanner)
        if (visit := scanner.interrupted()) is not None:
            self._observer(visit)
        scanner.close()
        self._observer(ProcessLeft(process, scanner.passes, why))
