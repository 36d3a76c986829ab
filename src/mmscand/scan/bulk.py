"""Aging in bulk: processes of one cgroup are read one after another, then aged by one write.

Shared pages can be aged no other way. As the write clears the bits of all processes of the cgroup,
it has to come when every one of them has been read, and they are due together from then on.
"""

from dataclasses import dataclass, field
from typing import Protocol

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.machine import Machine
from mmscand.model import Process

_NEVER = float("inf")


class Member(Protocol):
    """What of a slot matters here."""

    due: float

    @property
    def process(self) -> Process:
        """Whose slot it is."""
        ...

    def set_aging(self, group: str | None, why: str) -> None:
        """Be aged in bulk with a group, or not; in words for people."""
        ...


@dataclass(slots=True)
class _Group:
    members: dict[Process, Member] = field(default_factory=dict)
    read: dict[Process, float] = field(default_factory=dict)
    """Those that were read since the last aging, and when each would be due next."""


class BulkAging:
    """Who is aged together, and when. Owned by the scanner thread."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._groups: dict[str, _Group] = {}
        self._group_of: dict[Process, str] = {}
        self._refused: dict[str, str] = {}
        self.wanted = False
        """Whether shared memory is to be aged; whoever changes it has everybody join again."""

    def join(self, member: Member) -> None:
        """Find the group of a slot: at first, and when its cgroup may have changed."""
        self.leave(member)
        if not self.wanted:
            member.set_aging(None, "shared memory is left out")
            self._refused.clear()  # once it is wanted again, it is tried again
            return
        try:
            name = self._machine.bulk_group(member.process)
            if name in self._refused:
                raise MachineCannot(self._refused[name], hint="")
        except (MachineCannot, ProcessGone) as error:
            member.set_aging(None, str(error))
            return
        self._groups.setdefault(name, _Group()).members[member.process] = member
        self._group_of[member.process] = name
        member.set_aging(name, f"shared pages with all of cgroup {name}")

    def leave(self, member: Member) -> None:
        """It has exited, or is aged alone from now on."""
        name = self._group_of.pop(member.process, None)
        if name is None:
            return
        group = self._groups[name]
        group.members.pop(member.process)
        member.due = group.read.pop(member.process, member.due)
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
        """Have it visited by then, unless it was read and waits for its group to be aged."""
        if member.due != _NEVER:
            member.due = min(member.due, due)

    def _age_if_all_are_read(self, name: str) -> None:
        group = self._groups[name]
        if len(group.read) < len(group.members):
            return
        due = min(group.read.values())
        group.read.clear()
        for member in group.members.values():
            member.due = due
        try:
            self._machine.age_bulk(name)
        except MachineCannot as error:
            self._refused[name] = str(error)
            for member in list(group.members.values()):
                self.leave(member)
                member.set_aging(None, str(error))
