"""Which processes are watched."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mmscand.errors import KEPT_FROM_US, ProcessDenied, UsageError
from mmscand.model import NAME_CHARACTERS, Look, Process
from mmscand.scan.patterns import name_pattern, shortest_match


@dataclass(frozen=True, slots=True)
class Selection:
    """Processes given by pid when mmscand started, or by a pattern that also takes later ones."""

    processes: frozenset[Process] = frozenset()
    pattern: re.Pattern[str] | None = None

    @property
    def everything(self) -> bool:
        """Nothing was asked for, so all are watched."""
        return not self.processes and self.pattern is None

    def __call__(self, processes: Iterable[Process]) -> Iterable[Process]:
        """Those of `processes` that are watched."""
        if self.everything:
            return processes
        return [p for p in processes if p in self.processes or self._matches(p)]

    def waits_for(self, running: Iterable[Process]) -> str:
        """A line that says that it waits; '' when there is a process to watch."""
        if self.pattern is None or any(True for _ in self(running)):
            return ""
        return (
            f"no process has a name that matches {self.pattern.pattern!r} yet: waiting for one; "
            f"names are those in /proc/PID/comm, at most {NAME_CHARACTERS} characters"
        )

    def _matches(self, process: Process) -> bool:
        return self.pattern is not None and self.pattern.search(process.name) is not None


def choose(look: Look, pids: Iterable[int], pattern: str | None) -> Selection:
    """The selection; UsageError for a pid that no process has. A name may match later.

    ProcessDenied where nothing can be found out of it.
    """
    by_pid = {process.pid: process for process in look.running}
    chosen = set()
    for pid in pids:
        if pid in look.denied:
            raise ProcessDenied(pid, "read", "", reason=KEPT_FROM_US)
        if pid not in by_pid:
            raise UsageError(
                f"no process {pid} to watch",
                hint="it has exited, or is a kernel thread or mmscand itself",
            )
        chosen.add(by_pid[pid])
    return Selection(frozenset(chosen), _compiled(pattern))


def _compiled(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        pattern = name_pattern(text)
    except UsageError as error:
        raise UsageError(f"--match: {error.message}", hint=error.hint) from None
    if (least := shortest_match(pattern)) > NAME_CHARACTERS:
        raise UsageError(
            f"--match: {text!r} asks for {least} characters, and a name has {NAME_CHARACTERS}",
            hint=f"give its first {NAME_CHARACTERS}, or a rule: it looks at whole names",
        )
    return pattern
