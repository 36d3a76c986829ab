"""What a row of memory belongs to, in words."""

import numpy as np

from mmscand.heat.picture import mapping_of
from mmscand.model import HUGE_PAGE_BYTES, UIntArray, VmaFlag
from mmscand.record.labels import texts_in
from mmscand.record.tables import ProcessPass, Table
from mmscand.shown import shown

_ROW = np.uint64(HUGE_PAGE_BYTES)
NO_MAPPING = "unmapped"
"""What a row is called that no mapping held when mappings were reported: they changed meanwhile."""


class NamedMappings:
    """The mappings of one address space, as they were reported last, and those that are gone."""

    def __init__(self) -> None:
        self._texts = [b""]
        self._tables: list[Table] = []
        """The first and the latest: memory that was unmapped is called as at the begin."""
        self.cgroup = ""
        self.name = ""
        self.pid = 0

    def take(self, seen: ProcessPass) -> None:
        """What a pass says."""
        about = seen.about[0]
        self._texts += texts_in(seen.texts)
        if not seen.about["left"][0]:
            self.name, self.pid = _text(bytes(about["name"])), int(about["pid"])
            if cgroup := int(about["cgroup"]):
                self.cgroup = _text(self._texts[cgroup])
        if len(seen.vmas):
            self._tables = [*self._tables[:1], seen.vmas]

    def labels(self, numbers: UIntArray, nameless: str) -> list[str]:
        """(n,) of rows, by their address / 2 MiB: the mapping that has most of each."""
        labels = [NO_MAPPING] * len(numbers)
        for table in self._tables:  # the latest counts
            called = labels_of(table, self._texts, nameless)
            for at, row in enumerate(
                mapping_of(table["start"], table["end"], numbers * _ROW).tolist()
            ):
                if row >= 0:
                    labels[at] = called[row]
        return labels


def labels_of(vmas: Table, texts: list[bytes], nameless: str) -> list[str]:
    """(n,) of the mappings: their name; or `nameless`, or else the address at which memory without
    a name begins.
    """
    names = [texts[number] for number in vmas["name"].tolist()]
    flags, starts, ends = (vmas[column].tolist() for column in ("flags", "start", "end"))
    labels, begins = [], 0
    for at, name in enumerate(names):
        follows = at > 0 and starts[at] == ends[at - 1] and not names[at - 1] and not name
        if not follows:
            begins = starts[at]
        kind = "file" if flags[at] & VmaFlag.FILE else "anon"
        labels.append(_text(name) or nameless or f"{kind} {begins:x}")
    return labels


def _text(name: bytes) -> str:
    return shown(name.decode(errors="surrogateescape"))
