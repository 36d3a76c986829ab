"""The tables of a recording, column by column; docs/reference/recording.md explains them.

A row of a process' memory is 2 MiB here, as in a PageBlock: 512 pages of 4 KiB, or one huge page.
Bits are packed, 64 bytes a row, page 0 of the row in bit 0 of byte 0; a huge page is bit 0.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmscand.model import PAGES_PER_TABLE, BoolArray, ByteArray

FORMAT, VERSION = b"mmscand", 2
"""Version 1 had no texts: neither `cgroup` nor `name`, and no table after MOVES."""
BITS_BYTES = PAGES_PER_TABLE // 8

Table = NDArray[np.void]

HEAD = np.dtype(
    [
        ("format", "S8"),
        ("version", "<u2"),
        ("period_ms", "<u4"),
        ("started_unix_ns", "<i8"),
        ("started_ns", "<i8"),
    ]
)
NODES = np.dtype([("node", "<i4"), ("slow", "?"), ("pages", "<u8")])
PASS = np.dtype(
    [
        ("pass", "<u4"),
        ("pid", "<i4"),
        ("start_time", "<u8"),
        ("name", "S16"),
        ("generation", "<u4"),
        ("left", "?"),
        ("at_ns", "<i8"),
        ("cpu_ns", "<u8"),
        ("pages", "<u8"),
        ("aged_pages", "<u8"),
        ("cgroup", "<u4"),
    ]
)
VMAS = np.dtype([("start", "<u8"), ("end", "<u8"), ("flags", "<u2"), ("name", "<u4")])
LAYOUT = np.dtype(
    [
        ("address", "<u8"),
        ("pages_per_slot", "<u4"),
        ("present", "u1", (BITS_BYTES,)),
        ("slow", "u1", (BITS_BYTES,)),
        ("stuck", "u1", (BITS_BYTES,)),
    ]
)
MOVES = np.dtype(
    [
        ("address", "<u8"),
        ("pages_per_slot", "<u4"),
        ("source", "<i4"),
        ("target", "<i4"),
        ("status", "<i4"),
        ("tried", "?"),
    ]
)
ACCESSED = np.dtype([("address", "<u8"), ("accessed", "u1", (BITS_BYTES,))])
TEXT = np.dtype("u1")
"""Bytes of new texts, a NUL behind each. Texts have numbers in the order in which they come, from 1
on for each address space; 0 is no text."""
PASS_TABLES = (PASS, VMAS, LAYOUT, ACCESSED, MOVES, TEXT)
PASS_TABLES_1 = (
    np.dtype([(name, PASS[name]) for name in PASS.names or () if name != "cgroup"]),
    np.dtype([(name, VMAS[name]) for name in VMAS.names or () if name != "name"]),
    *PASS_TABLES[2:5],
)
"""Of version 1."""


@dataclass(frozen=True, slots=True)
class ProcessPass:
    """What one pass saw of one process: the unit that is written, and lost, as a whole."""

    about: Table
    """(1,) of PASS."""
    vmas: Table
    """(n,) of VMAS when they differ from those before, else (0,)."""
    layout: Table
    """(n,) of LAYOUT: rows that differ from what was written before; `present` is all 0 for a row
    that is there no more."""
    accessed: Table
    """(n,) of ACCESSED: rows in which anything was accessed since the pass before."""
    moves: Table
    """(n,) of MOVES: what became of promotions since the pass before, slot by slot."""
    texts: ByteArray = field(default_factory=lambda: np.empty(0, dtype=TEXT))
    """(n,) of TEXT."""

    @property
    def tables(self) -> tuple[NDArray[Any], ...]:
        """In the order of the file."""
        return self.about, self.vmas, self.layout, self.accessed, self.moves, self.texts

    @classmethod
    def of_version_1(cls, tables: tuple[Table, ...]) -> "ProcessPass":
        """A pass as version 1 had it, without names."""
        about, vmas = (
            _as(dtype, table) for dtype, table in zip((PASS, VMAS), tables, strict=False)
        )
        layout, accessed, moves = tables[2:]
        return cls(about, vmas, layout, accessed, moves)


def one_row(dtype: np.dtype[Any], **columns: object) -> Table:
    """A table with a single row; columns that are not named are 0."""
    table = np.zeros(1, dtype=dtype)
    for name, value in columns.items():
        table[name] = value
    return table


def _as(dtype: np.dtype[Any], table: Table) -> Table:
    """With the columns of `dtype`; those that it lacks are 0."""
    result = np.zeros(len(table), dtype=dtype)
    for name in table.dtype.names or ():
        result[name] = table[name]
    return result


def pack(mask: BoolArray) -> ByteArray:
    """Bits of (rows, width) slots as (rows, 64) bytes."""
    packed = np.packbits(mask, axis=1, bitorder="little")
    if packed.shape[1] < BITS_BYTES:
        packed = np.pad(packed, ((0, 0), (0, BITS_BYTES - packed.shape[1])))
    return packed


def unpack(packed: ByteArray, pages_per_slot: NDArray[np.uint32]) -> BoolArray:
    """(rows, 512) pages of 4 KiB: each page of a huge page has its bit."""
    pages = np.unpackbits(packed, axis=1, bitorder="little").astype(np.bool_)
    huge = pages_per_slot > 1
    pages[huge] = pages[huge, :1]
    return pages


def differs(table: Table, other: Table) -> BoolArray:
    """Which rows of two tables of one shape and dtype are not the same, byte by byte."""
    shape = (len(table), table.dtype.itemsize)
    ours, others = table.view(np.uint8).reshape(shape), other.view(np.uint8).reshape(shape)
    result: BoolArray = (ours != others).any(axis=1)
    return result
