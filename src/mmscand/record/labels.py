"""What a recording says beside pages: names of mappings, and the cgroup of the process."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmscand.errors import UNREADABLE
from mmscand.machine import Machine
from mmscand.model import ByteArray, MappingNames, Process, VmaTable

ANONYMOUS = "process"
"""The name of each process in a recording without names."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Where they come from. Asked for when the mappings of a process have changed."""

    names: Callable[[Process], MappingNames]
    cgroup: Callable[[Process], str]
    named: bool = True
    """Whether processes have their own names."""

    def of(self, process: Process, vmas: VmaTable) -> tuple[list[bytes], bytes]:
        """The name of each mapping (n,), and the cgroup; b'' for what is not known."""
        try:
            cgroup = self.cgroup(process).encode(errors="surrogateescape")
            return self.names(process).of(vmas), cgroup
        except UNREADABLE:  # what was seen of its pages is good
            return [b""] * len(vmas), b""


NO_LABELS = Labels(lambda _: MappingNames.none(), lambda _: "", named=False)


def labels_of(machine: Machine) -> Labels:
    """As the machine says them."""
    return Labels(machine.mapping_names, lambda process: machine.facts(process).cgroup)


class Texts:
    """The texts of one address space by number: 1 for the first; 0 is no text."""

    def __init__(self) -> None:
        self._numbers = {b"": 0}
        self._new: list[bytes] = []

    def number(self, text: bytes) -> int:
        """The number of a text, which is new or not."""
        if text not in self._numbers:
            self._numbers[text] = len(self._numbers)
            self._new.append(text)
        return self._numbers[text]

    def take_new(self) -> ByteArray:
        """(n,) of TEXT: those that are new since it was asked last, each with a NUL behind it."""
        data = b"".join(text + b"\0" for text in self._new)
        self._new = []
        return np.frombuffer(data, dtype=np.uint8).copy()


def texts_in(table: ByteArray) -> list[bytes]:
    """What such a table has, in order."""
    return table.tobytes().split(b"\0")[:-1]
