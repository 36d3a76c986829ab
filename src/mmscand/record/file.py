"""A recording as a file: gzip members one after another, in each some .npy tables.

The first member has the head, each other one a pass over one process. A member is written by one
system call and has its own checksum, so that a file that ends anywhere is read up to its last
whole member. numpy and zlib are all it takes.
"""

import io
import os
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from mmscand.errors import MmscandError, UsageError
from mmscand.model import PAGE_BYTES, Topology
from mmscand.record.tables import (
    FORMAT,
    HEAD,
    NODES,
    PASS_TABLES,
    PASS_TABLES_1,
    VERSION,
    ProcessPass,
    Table,
    one_row,
)

_LEVEL = 1
"""Of zlib. 6 takes four times as long for a tenth less."""
_GZIP = 31
"""zlib's wbits for a gzip member."""
_PIECE_BYTES = 1 << 16
_MOST_BYTES = 4 << 30
"""Of one member, unpacked: 16 TiB of memory. More is no recording, but a trap for who reads it."""
_HEAD_TABLES = (HEAD, NODES)
_NPY = b"\x93NUMPY\x01\x00"
_HEAD = re.compile(
    rb"\{'descr': (?P<descr>.+), 'fortran_order': False, 'shape': \((?P<rows>\d{1,12}),\), \} *\n"
)
"""Of a table (numpy.lib.format, version 1.0)."""


class RecordingFull(MmscandError):
    """The next pass would make the file larger than was asked for; it was not written."""


class RecordingWriter:
    """Makes a new file and adds members to it."""

    def __init__(self, path: Path, head: Table, nodes: Table, max_bytes: int) -> None:
        try:
            # Addresses and names of processes are nobody else's business.
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise UsageError(f"{path} exists", hint="name another file, or remove it") from None
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from None
        self._fd = fd
        self._path = path
        self._max_bytes = max_bytes
        self.size_bytes = 0
        self._add(_packed((head, nodes)))

    def write(self, seen: ProcessPass) -> int:
        """Add a pass; the bytes that it takes. RecordingFull when it does not fit any more."""
        return self._add(_packed(seen.tables))

    def _add(self, member: bytes) -> int:
        if self.size_bytes + len(member) > self._max_bytes:
            raise RecordingFull(f"{self._path} is full at {self.size_bytes} bytes")
        try:
            written = os.write(self._fd, member)
        except OSError as error:
            raise MmscandError(f"cannot write {self._path}: {error.strerror}") from None
        if written < len(member):
            raise MmscandError(f"cannot write {self._path}: no space is left")
        self.size_bytes += written
        return written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)


def new_recording(
    path: Path, topology: Topology, period_ms: int, max_bytes: int
) -> RecordingWriter:
    """A file with its head; UsageError when there is one already, or it cannot be made."""
    head = one_row(
        HEAD,
        format=FORMAT,
        version=VERSION,
        period_ms=period_ms,
        started_unix_ns=time.time_ns(),
        started_ns=time.monotonic_ns(),
    )
    nodes = np.zeros(len(topology.nodes), dtype=NODES)
    for row, node in zip(nodes, topology.nodes, strict=True):
        pages = sum(end - start for start, end in node.frame_ranges) // PAGE_BYTES
        row["node"], row["slow"], row["pages"] = node.id, node.id in topology.slow, pages
    return RecordingWriter(path, head, nodes, max_bytes)


def _packed(tables: tuple[NDArray[Any], ...]) -> bytes:
    buffer = io.BytesIO()
    for table in tables:
        np.lib.format.write_array(buffer, table, version=(1, 0), allow_pickle=False)
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    return packer.compress(buffer.getbuffer()) + packer.flush()


def with_path(error: UsageError, path: Path) -> UsageError:
    """The same mistake, naming the recording, for readers of several."""
    if str(path) in error.message:
        return error
    return UsageError(f"{path}: {error.message}", hint=error.hint)


class Recording:
    """A recording that is read; pass by pass, so that it may be larger than memory."""

    def __init__(self, path: Path) -> None:
        """UsageError when this is no recording, or one of another version."""
        self._path = path
        try:
            with path.open("rb") as file:
                first = next(_members(file), b"")
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        head = _unpacked(first, _HEAD_TABLES)
        if head is None or head[0]["format"][0] != FORMAT:
            raise UsageError(f"{path} is no recording", hint="`mmscand record` makes them")
        self.head, self.nodes = head
        self._version = int(self.head["version"][0])
        if not 1 <= self._version <= VERSION:
            raise UsageError(
                f"{path} has format {self._version}, and this mmscand reads formats 1 to {VERSION}",
                hint="read it with the version that wrote it, or a newer one",
            )
        self.cut = False
        """After a reading: the file ends inside a pass, or is damaged there."""

    def passes(self) -> Iterator[ProcessPass]:
        """From the first to the last one that is whole."""
        with self._path.open("rb") as file:
            members = _members(file)
            next(members)
            for member in members:
                if (seen := self._pass(member)) is None:
                    self.cut = True
                    return
                yield seen
        self.cut = False

    def _pass(self, member: bytes) -> ProcessPass | None:
        if self._version > 1:
            tables = _unpacked(member, PASS_TABLES)
            return None if tables is None else ProcessPass(*tables)
        tables = _unpacked(member, PASS_TABLES_1)
        return None if tables is None else ProcessPass.of_version_1(tables)


def _members(file: BinaryIO) -> Iterator[bytes]:
    """Each gzip member, unpacked; b'' and the end for one that is not whole."""
    rest = b""
    while rest := rest or file.read(_PIECE_BYTES):
        member, rest = _member(rest, file)
        yield member
        if not member:
            return


def _member(piece: bytes, file: BinaryIO) -> tuple[bytes, bytes]:
    """The member that starts with this piece, its checksum verified, and what follows it."""
    unpacker, parts, size = zlib.decompressobj(wbits=_GZIP), [], 0
    while piece and size <= _MOST_BYTES:
        try:
            parts.append(unpacker.decompress(piece))
        except zlib.error:
            break
        if unpacker.eof:
            return b"".join(parts), unpacker.unused_data
        size += len(parts[-1])
        piece = file.read(_PIECE_BYTES)
    return b"", b""


def _unpacked(member: bytes, dtypes: tuple[np.dtype[Any], ...]) -> tuple[NDArray[Any], ...] | None:
    """The tables of a member; None when it does not hold just these, the first of one row."""
    buffer = io.BytesIO(member)
    try:
        tables = tuple(_table(buffer, dtype) for dtype in dtypes)
    except (ValueError, MemoryError):
        return None
    whole = len(tables[0]) == 1 and not buffer.read(1)
    return tables if whole and all(map(_has_slots, tables)) else None


def _table(buffer: io.BytesIO, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The next table, which must be of this type; else ValueError.

    numpy reads the head with `ast`. In two threads at once that raises now and then
    `SystemError: AST constructor recursion depth mismatch` (CPython 3.11, issue 106905).
    """
    prefix = buffer.read(len(_NPY) + 2)
    head = buffer.read(int.from_bytes(prefix[len(_NPY) :], "little"))
    descr = repr(np.lib.format.dtype_to_descr(dtype)).encode()
    found = _HEAD.fullmatch(head)
    if prefix[: len(_NPY)] != _NPY or not found or found["descr"] != descr:
        raise ValueError("another table was expected")
    rows = int(found["rows"])
    return np.frombuffer(bytearray(buffer.read(rows * dtype.itemsize)), dtype, rows)


def _has_slots(table: NDArray[Any]) -> bool:
    """Whether each slot that it names has a page."""
    size = "pages_per_slot"
    return size not in (table.dtype.names or ()) or bool((table[size] > 0).all())
