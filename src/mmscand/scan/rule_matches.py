"""What the rules say of each process, and what a child takes over from its parent."""

from collections.abc import Iterable

from mmscand.machine import Machine
from mmscand.model import Process
from mmscand.scan.rules import RuleMatch, Rules


class RuleMatches:
    """Decided when a process is first seen, and again after execve or when the rules change."""

    def __init__(self, machine: Machine, rules: Rules) -> None:
        self._machine = machine
        self._rules = rules
        self._decided: dict[Process, RuleMatch] = {}
        self._by_pid: dict[int, RuleMatch] = {}

    def of(self, process: Process) -> RuleMatch:
        """The match, decided now if it was not before; ProcessGone when it has exited."""
        known = self._decided.get(process)
        return known if known is not None else self.decide(process)

    def last_of(self, process: Process) -> RuleMatch | None:
        """What was decided last; None of one that was never looked at."""
        return self._decided.get(process)

    def decide(self, process: Process) -> RuleMatch:
        """Look at the process again; it keeps what it inherited, else its parent's counts."""
        if not self._rules.conditional:
            return self._rules.default
        facts = self._machine.facts(process)
        before = self._decided.get(process)
        # A rule that matched before execve may not match the new name: it is not inherited.
        inherited = before if before and not before.own else self._by_pid.get(facts.ppid)
        match = self._rules.decide(facts, inherited)
        self._decided[process] = self._by_pid[process.pid] = match
        return match

    def keep_only(self, running: Iterable[Process]) -> None:
        """Forget processes that have exited."""
        alive = set(running)
        self._decided = {p: match for p, match in self._decided.items() if p in alive}
        self._by_pid = {p.pid: match for p, match in self._decided.items()}

    def replace_rules(self, rules: Rules) -> None:
        """Everything is decided again when it is asked for next."""
        self._rules = rules
        self._decided, self._by_pid = {}, {}
