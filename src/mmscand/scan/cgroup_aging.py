"""Aging in bulk: processes of one cgroup are read one after another, then aged by one write.

Shared pages can be aged no other way. As the write clears the bits of all processes of the cgroup,
it has to come when those that are due have been read, and they are due together from then on. Who
is scanned seldom takes part in few of these rounds: it sees what it accessed since the last one.
"""

from dataclasses import dataclass, field
from typing import Protocol

from mmscand.errors import MachineCannot, MmscandError, OutOfResources
from mmscand.machine import Machine
from mmscand.model import Process

_NEVER = float("inf")


class Member(Protocol):
    """What of a process scanner matters here."""

    due: float

    @property
    def process(self) -> Process:
        """The process that it scans."""
        ...

    def set_aging(self, group: str | None, why: str) -> None:
        """Be aged in bulk with a group, or not; in words for people."""
        ...


@dataclass(slots=True)
class _Group:
    members: dict[Process, Member] = field(default_factory=dict)
    read: dict[Process, float] = field(default_factory=dict)
    """Those that were read in this round, and when each would be due next."""
    left_out: dict[Process, float] = field(default_factory=dict)
    """Those that take no part in it, as they are due much later."""
    due: float = -_NEVER
    """When this round is due."""

    @property
    def is_read(self) -> bool:
        """Whether nobody is left that has to be read before the group is aged."""
        return len(self.read) + len(self.left_out) == len(self.members)

    def begin_next(self) -> list[Member]:
        """The next round; who takes part.

        It is due as those want it that were in the last one, and nobody waits for it longer than
        half its length: rounds that followed closely would see no access.
        """
        due = min((self.read or self.left_out).values())
        waits = min(self.left_out.values(), default=due)
        if due - waits > (due - self.due) / 2:
            due = waits
        latest, self.due = due + (due - self.due) / 2, due
        self.left_out |= self.read
        self.read.clear()
        some = [process for process, own in self.left_out.items() if own <= latest]
        for process in some:
            del self.left_out[process]
        return [self.members[process] for process in some]

    def forget(self, process: Process) -> float | None:
        """It leaves; when it would be due, if it waits."""
        del self.members[process]
        return self.left_out.pop(process, self.read.pop(process, None))


class CgroupAging:
    """Which processes are aged together, and when. Owned by the scanner thread."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._groups: dict[str, _Group] = {}
        self._group_of: dict[Process, str] = {}
        self._refused: dict[str, str] = {}
        self.wanted = False
        """Whether shared memory is to be aged; a change has every process join again."""

    def join(self, member: Member) -> None:
        """Find the group of a process: at first, and when its cgroup may have changed."""
        if not self.wanted:
            self.leave(member)
            member.set_aging(None, "shared memory is left out")
            self._refused.clear()  # once it is wanted again, it is tried again
            return
        try:
            name = self._find(member.process)
        except MmscandError as error:
            self.leave(member)
            member.set_aging(None, str(error))
            return
        if name == self._group_of.get(member.process):
            return  # to leave would have the others aged before their round is over
        self.leave(member)
        self._groups.setdefault(name, _Group()).members[member.process] = member
        self._group_of[member.process] = name
        member.set_aging(name, f"shared pages with all of cgroup {name}")

    def _find(self, process: Process) -> str:
        """The group that it belongs to; an MmscandError says why there is none."""
        name = self._machine.bulk_group(process)
        if name in self._refused:
            raise MachineCannot(self._refused[name], hint="")
        return name

    def leave(self, member: Member) -> None:
        """It has exited, or is aged alone from now on."""
        name = self._group_of.pop(member.process, None)
        if name is None:
            return
        group = self._groups[name]
        due = group.forget(member.process)
        member.due = member.due if due is None else due
        if group.members:
            self._age_if_all_are_read(name)
        else:
            del self._groups[name]

    def visited(self, member: Member, due: float) -> None:
        """A pass over it is complete: it waits for the others of its group, if it has one."""
        name = self._group_of.get(member.process)
        if name is None:
            member.due = due
            return
        member.due = _NEVER
        self._groups[name].read[member.process] = due
        self._age_if_all_are_read(name)

    def hasten(self, member: Member, due: float) -> None:
        """Have it visited by then; if it waits for its group, in the next round from then on."""
        if member.due != _NEVER:
            member.due = min(member.due, due)
            return
        group = self._groups[self._group_of[member.process]]
        waiting = group.left_out if member.process in group.left_out else group.read
        waiting[member.process] = min(waiting[member.process], due)

    def _age_if_all_are_read(self, name: str) -> None:
        group = self._groups[name]
        if not group.is_read or name in self._refused:
            return
        for member in group.begin_next():
            member.due = group.due
        try:
            self._machine.age_bulk(name)
        except OutOfResources:
            pass  # the next round tries again
        except MachineCannot as error:
            self._refused[name] = str(error)
            for member in list(group.members.values()):
                self.leave(member)
                member.set_aging(None, str(error))
