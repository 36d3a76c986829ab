"""A recording, or several, as sums: read once from begin to end, in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mmscand.errors import UsageError
from mmscand.heatmap.bands import in_bands
from mmscand.heatmap.model import Gathered, Sum
from mmscand.heatmap.space import SpaceSums, Sums
from mmscand.model import FloatArray, PageNumbers
from mmscand.record.file import Recording
from mmscand.record.tables import ProcessPass

By = Literal["mapping", "process", "cgroup", "file"]
MOST_LOOKS, MOST_PIECES = 512, 1 << 12
"""34 MB of sums, whatever the length of a recording and the size of its processes. A picture has
160 rows, so that a piece is a small part of one."""
_NO_CGROUP = "no cgroup"
_NAMELESS = "without a name"
_Identity = tuple[int, int]
"""pid and start time."""


@dataclass
class _Reading:
    """What was read so far."""

    most_looks: int
    most_pieces: int
    spaces: list[SpaceSums] = field(default_factory=list)
    at_ns: dict[int, int] = field(default_factory=dict)
    """By look: when its last pass was."""
    look: int = 0
    halved: int = 0
    """How often two looks became one."""
    number: int = 0
    """Looks so far, before any became one."""
    _of: dict[_Identity, tuple[int, SpaceSums]] = field(default_factory=dict)
    """By process: generation and sums of its address space."""
    _in_look: set[_Identity] = field(default_factory=set)

    def take(self, seen: ProcessPass) -> None:
        about = seen.about[0]
        who = int(about["pid"]), int(about["start_time"])
        if who in self._in_look:  # it was looked at again: another look begins
            self._next()
        self._in_look.add(who)
        space = self._space_of(who, int(about["generation"]), left=bool(about["left"]))
        if about["left"]:
            space.left(self.look)
        else:
            space.take(seen, self.look)
        self.at_ns[self.look] = int(about["at_ns"])
        while sum(len(each.keys) for each in self.spaces) > self.most_pieces:
            if max(len(each.keys) for each in self.spaces) <= 1:
                break  # very many small processes
            for each in self.spaces:
                each.coarsen()

    def _space_of(self, who: _Identity, generation: int, *, left: bool) -> SpaceSums:
        before = self._of.get(who)
        if before is not None and (before[0] == generation or left):
            return before[1]
        if before is not None:
            before[1].left(self.look)
        grain = self.spaces[0].grain if self.spaces else 0
        space = SpaceSums(grain)
        self.spaces.append(space)
        self._of[who] = generation, space
        return space

    def _next(self) -> None:
        self._in_look = set()
        self.number += 1
        if self.number >> self.halved >= self.most_looks:
            self.halved += 1
            for each in self.spaces:
                each.halve_looks()
            self.at_ns = {look // 2: at for look, at in sorted(self.at_ns.items())}
        self.look = self.number >> self.halved


def gathered(
    recording: Recording,
    *,
    by: By = "mapping",
    pid: int | None = None,
    several: bool = False,
    most_looks: int = MOST_LOOKS,
    most_pieces: int = MOST_PIECES,
) -> Gathered:
    """All of a recording, or one process of it; UsageError where it has no such process.

    `several`: it is one of several recordings, so memory without a name is not called by address.
    """
    reading = _Reading(most_looks, most_pieces)
    pids = set()
    for seen in recording.passes():
        pids.add(int(seen.about["pid"][0]))
        if pid is None or int(seen.about["pid"][0]) == pid:
            reading.take(seen)
    spaces = [space for space in reading.spaces if len(space.keys)]
    if not spaces:
        raise _nothing(pid, pids)
    looks = sorted(reading.at_ns)
    times = np.array([reading.at_ns[look] for look in looks], dtype=np.float64) * 1e-9
    sums = np.concatenate([_filled(space, looks) for space in spaces], axis=2)
    order, bands = _in_bands(
        spaces, by, sums[Sum.PRESENT].max(axis=0), several=several or len(spaces) > 1
    )
    head = recording.head[0]
    began_s = int(head["started_unix_ns"]) / 1e9 + times[0] - int(head["started_ns"]) / 1e9
    return Gathered(
        title=_title(spaces),
        sums=sums[:, :, order],
        bands=bands,
        at_s=times - times[0],
        started_unix_s=began_s,
        unit="share",
        note=_note(recording),
    )


def _nothing(pid: int | None, pids: set[int]) -> UsageError:
    if pid is None or not pids:
        return UsageError("the recording has no page of any process", hint="record for longer")
    some = ", ".join(map(str, sorted(pids)[:8]))
    return UsageError(f"process {pid} is not in the recording", hint=f"there are {some}")


def _note(recording: Recording) -> str:
    notes = ["the recording ends inside a pass"] if recording.cut else []
    if recording.nodes["slow"].all():
        notes.append("one tier: all counts as slow")
    return "; ".join(notes)


def _title(spaces: Sequence[SpaceSums]) -> str:
    who = {(space.named.name, space.named.pid) for space in spaces}
    if len(who) == 1:
        return "{}[{}]".format(*who.pop())
    names = sorted({name for name, _ in who})
    return f"{len(who)} processes of {names[0]}" if len(names) == 1 else f"{len(who)} processes"


def _filled(space: SpaceSums, looks: Sequence[int]) -> Sums:
    """(4, looks, pieces) of a pass of each look, on the average.

    A look that left the process out is as the one before.
    """
    sums = np.zeros((4, len(looks), len(space.keys)), dtype=np.float32)
    latest = None
    for at, look in enumerate(looks):
        if (frame := space.frames.get(look, latest)) is not None:
            sums[:, at, : frame.sums.shape[1]] = frame.sums / np.float32(frame.passes)
            latest = frame
    return sums


def _in_bands(
    spaces: Sequence[SpaceSums], by: By, weights: FloatArray, *, several: bool
) -> tuple[PageNumbers, tuple[tuple[str, int], ...]]:
    """The order of all pieces (pieces,) by band, space and address, and the bands.

    Bands of one process are in the order of their addresses, else the largest comes first.
    """
    number = np.concatenate([np.full(len(space.keys), at) for at, space in enumerate(spaces)])
    by_address = np.lexsort((np.concatenate([space.keys for space in spaces]), number))
    found = [label for space in spaces for label in _labels(space, by, several=several)]
    labels = [found[at] for at in by_address.tolist()]
    in_order = by == "mapping" and not several
    order, bands = in_bands(labels, None if in_order else weights[by_address])
    return by_address[order], bands


def _labels(space: SpaceSums, by: By, *, several: bool) -> list[str]:
    """(pieces,) the band of each."""
    if by == "mapping":
        return space.labels(_NAMELESS if several else "")
    named = space.named
    label = named.cgroup or _NO_CGROUP if by == "cgroup" else f"{named.name}[{named.pid}]"
    return [label] * len(space.keys)
