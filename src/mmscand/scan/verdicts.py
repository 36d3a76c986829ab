"""What the rules say of each process, and what a child takes over from its parent."""

from collections.abc import Iterable

from mmscand.machine import Machine
from mmscand.model import Process
from mmscand.scan.rules import Rules, Verdict


class Verdicts:
    """Decided when a process is first seen, and again after execve or when the rules change."""

    def __init__(self, machine: Machine, rules: Rules) -> None:
        self._machine = machine
        self._rules = rules
        self._decided: dict[Process, Verdict] = {}
        self._by_pid: dict[int, Verdict] = {}

    def of(self, process: Process) -> Verdict:
        """The verdict, decided now if it was not before; ProcessGone when it has exited."""
        known = self._decided.get(process)
        return known if known is not None else self.decide(process)

    def last_of(self, process: Process) -> Verdict | None:
        """What was decided last; None of one that was never looked at."""
        return self._decided.get(process)

    def decide(self, process: Process) -> Verdict:
        """Look at the process anew; what it inherited before it keeps, else its parent's counts."""
        if not self._rules.conditional:
            return self._rules.default
        facts = self._machine.facts(process)
        before = self._decided.get(process)
        # A rule that matched before execve may not match the new name: it is not inherited.
        inherited = before if before and not before.own else self._by_pid.get(facts.ppid)
        verdict = self._rules.decide(facts, inherited)
        self._decided[process] = self._by_pid[process.pid] = verdict
        return verdict

    def keep_only(self, running: Iterable[Process]) -> None:
        """Forget processes that have exited."""
        alive = set(running)
        self._decided = {p: verdict for p, verdict in self._decided.items() if p in alive}
        self._by_pid = {p.pid: verdict for p, verdict in self._decided.items()}

    def replace_rules(self, rules: Rules) -> None:
        """Everything is decided anew when it is asked for next."""
        self._rules = rules
        self._decided, self._by_pid = {}, {}
