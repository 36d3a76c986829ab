"""The file through which the plug-in gets its settings and gives its counters.

The host makes it before the guest boots, with the speed of each node; QEMU maps it. A program in
the guest writes it through the shared folder: only there it is known how slow a core is, and where
the code is that pays for its misses.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmscand_lab.kernel import LabError
from mmscand_lab.spec import GuestSpec

Layout = Literal["physical", "blocks"]

_MAGIC = 0x31776F6C73
NODES, _RANGES, _CODES, _VCPUS = 8, 32, 32, 16
LINE_BYTES = 64
_POLL_S, _LIMIT_S = 0.02, 120.0


class _Node(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("latency_ps", "line_ps", "bytes")),
        *((name, ctypes.c_uint64) for name in ("real_latency_ps", "real_line_ps")),
    )


class _Range(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("begin", "end", "node"))


class _Code(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("begin", "end"))


class _Settings(ctypes.Structure):
    """The head of `struct control` of slowmem.c."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("magic", "wanted", "applied")),
        *((name, ctypes.c_uint64) for name in ("codes", "ranges")),
        ("nodes", _Node * NODES),
        ("range", _Range * _RANGES),
        ("code", _Code * _CODES),
    )


_COUNTS = np.dtype(
    [("hits", "<u8", NODES), ("misses", "<u8", NODES), ("waited_ns", "<u8"), ("pad", "<u8", 15)]
)
_BYTES = ctypes.sizeof(_Settings) + _VCPUS * _COUNTS.itemsize
_WANTED_AT, _APPLIED_AT = _Settings.wanted.offset, _Settings.applied.offset


@dataclass(frozen=True, slots=True)
class CodeRange:
    """Virtual addresses of code: the first, and the one after the last."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Accesses of instrumented code since the guest booted, by node. Shape (8,), uint64."""

    hits: npt.NDArray[np.uint64]
    """Served by the model of the cache."""
    misses: npt.NDArray[np.uint64]
    waited_s: float
    """Of all virtual CPUs together."""

    def since(self, before: Counts) -> Counts:
        """What came after `before`."""
        waited_s = self.waited_s - before.waited_s
        return Counts(self.hits - before.hits, self.misses - before.misses, waited_s)


class SlowMemory:
    """Settings and counters of the plug-in of this guest."""

    def __init__(self, path: Path) -> None:
        """OSError where there is no such file."""
        self._path = path

    def slow_down(self, factor: float, *, as_node: int | None = None) -> None:
        """Make each miss take `factor` times as long as the nodes of a real machine take.

        With `as_node` all memory is as fast as that of this node.
        """
        with self._changed() as settings:
            for own in settings.nodes:
                node = own if as_node is None else settings.nodes[as_node]
                own.latency_ps = round(node.real_latency_ps * factor)
                own.line_ps = round(node.real_line_ps * factor)

    def use_layout(self, layout: Layout) -> None:
        """Say at which addresses, as the plug-in sees them, each node's memory begins."""
        with self._changed() as settings:
            spans = layout_ranges([node.bytes for node in settings.nodes], layout)
            settings.ranges = len(spans)
            for index, (node, begin, end) in enumerate(spans):
                settings.range[index] = _Range(begin, end, node)

    def instrument(self, code: Sequence[CodeRange]) -> None:
        """Slow down this code of the guest, at most 32 ranges, and no other; none is allowed.

        Any process that runs code at these addresses pays: those of a library are nobody else's.
        """
        with self._changed() as settings:
            settings.codes = len(code)
            settings.code = (_Code * _CODES)(*(_Code(each.begin, each.end) for each in code))

    @contextmanager
    def _changed(self) -> Iterator[_Settings]:
        """Settings to change; written, and taken by the plug-in, when the block ends. LabError."""
        settings = _Settings.from_buffer_copy(self._read(0, ctypes.sizeof(_Settings)))
        yield settings
        with self._path.open("r+b", buffering=0) as file:
            file.write(bytes(settings))
            # Last of all: the plug-in must not take half of the settings.
            wanted = (settings.wanted + 1).to_bytes(8, "little")
            os.pwrite(file.fileno(), wanted, _WANTED_AT)
        deadline = time.monotonic() + _LIMIT_S
        while self._read(_APPLIED_AT, 8) != wanted:
            if time.monotonic() > deadline:
                hint = "see the guest's console log, or run without slow memory"
                raise LabError("the plug-in for slow memory does not answer", hint=hint)
            time.sleep(_POLL_S)  # a CPU that goes to sleep looks at the settings

    def link_mb_s(self, node: int) -> float:
        """10^6 bytes a second that the link of this node carries now."""
        settings = _Settings.from_buffer_copy(self._read(0, ctypes.sizeof(_Settings)))
        return 1e6 * LINE_BYTES / float(settings.nodes[node].line_ps)

    def counts(self) -> Counts:
        """Up to now, of all CPUs."""
        data = self._read(ctypes.sizeof(_Settings), _VCPUS * _COUNTS.itemsize)
        each = np.frombuffer(data, dtype=_COUNTS)
        waited_s = float(each["waited_ns"].sum()) / 1e9
        return Counts(each["hits"].sum(axis=0), each["misses"].sum(axis=0), waited_s)

    def _read(self, at: int, size: int) -> bytes:
        # Opened again each time: a guest keeps what it has read of a file in its own cache.
        with self._path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, at)


def make_control(path: Path, spec: GuestSpec) -> None:
    """The file as QEMU needs it at its start: the nodes of this machine, and no code that pays."""
    settings = _Settings(magic=_MAGIC)
    for node, reported in enumerate(spec.nodes):
        line_ps = round(1e12 * LINE_BYTES / (reported.bandwidth_mib_s << 20))
        real = {"real_latency_ps": 1000 * reported.latency_ns, "real_line_ps": line_ps}
        settings.nodes[node] = _Node(bytes=reported.memory_mib << 20, **real)
    path.write_bytes(bytes(settings).ljust(_BYTES, b"\0"))


def layout_ranges(sizes: Sequence[int], layout: Layout) -> list[tuple[int, int, int]]:
    """Node, begin and end of each piece of memory; sizes in bytes by node, 0 for no memory.

    "physical" is what qemu_plugin_hwaddr_phys_addr gives in newer QEMU: addresses of the guest,
    with q35's hole. "blocks" is what QEMU 7.2 gives where each node has a block of memory: the
    offset of the block among all RAM, and once more its place in the machine's memory.
    """
    found, begin = [], 0
    for node, size in enumerate(sizes):
        if layout == "blocks":
            found.append((node, 2 * begin, 2 * begin + size))
        else:
            found += [(node, *piece) for piece in _around_hole(begin, begin + size, sum(sizes))]
        begin += size
    return [span for span in found if span[1] < span[2]]


def _around_hole(begin: int, end: int, total: int) -> Iterator[tuple[int, int]]:
    # pc_q35_init of QEMU: devices have the addresses from 2 or 2.75 to 4 GiB.
    hole = 0x8000_0000 if total >= 0xB000_0000 else 0xB000_0000
    yield begin, min(end, hole)
    yield max(begin, hole) - hole + (4 << 30), max(end, hole) - hole + (4 << 30)
