"""A recording in long form: a row for each pass, process and 2 MiB of memory, or mapping."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from mmscand.export.parquet import LongTable
from mmscand.model import HUGE_PAGE_BYTES, PageNumbers
from mmscand.record.file import Recording
from mmscand.record.mappings import NamedMappings
from mmscand.record.row_counts import RowCounts
from mmscand.record.tables import ProcessPass

Per = Literal["row", "mapping"]
_Identity = tuple[int, int]
"""pid and start time."""
_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("pass", pa.uint32()),
        ("time", pa.timestamp("ns", tz="UTC")),
        ("elapsed_s", pa.float64()),  # since the first pass of the file
        ("pid", pa.int32()),
        ("start_time_ticks", pa.uint64()),
        ("generation", pa.uint32()),  # of the address space: another one after execve
        ("process", _TEXT),
        ("cgroup", _TEXT),
        ("mapping", _TEXT),
        ("address", pa.uint64()),  # of the row, or of the first row of the mapping
        ("present_4k_pages", pa.uint64()),
        ("slow_4k_pages", pa.uint64()),
        ("known_4k_pages", pa.uint64()),  # of which the pass says whether they were accessed
        ("accessed_4k_pages", pa.uint64()),  # of these, since the pass before
    ]
)


def long_table(recording: Recording, per: Per = "row") -> LongTable:
    """Rows are those with memory. It is read once, as the batches are taken."""
    return LongTable(SCHEMA, _batches(recording, per))


def _batches(recording: Recording, per: Per) -> Iterator[pa.RecordBatch]:
    spaces: dict[_Identity, _Space] = {}
    head, first_ns = recording.head[0], None
    unix_ns = int(head["started_unix_ns"]) - int(head["started_ns"])
    for seen in recording.passes():
        about = seen.about[0]
        who = int(about["pid"]), int(about["start_time"])
        first_ns = int(about["at_ns"]) if first_ns is None else first_ns
        if about["left"]:
            spaces.pop(who, None)
            continue
        space = spaces.get(who)
        if space is None or space.generation != about["generation"]:
            space = spaces[who] = _Space(int(about["generation"]))
        yield space.batch(seen, per, unix_ns, first_ns)


@dataclass
class _Space:
    """One address space."""

    generation: int
    rows: RowCounts = field(default_factory=RowCounts)
    named: NamedMappings = field(default_factory=NamedMappings)
    labels: list[str] = field(default_factory=list)
    """Of its mappings."""
    code: PageNumbers = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    """(rows,) place in `labels` of each row's mapping."""

    def batch(self, seen: ProcessPass, per: Per, unix_ns: int, first_ns: int) -> pa.RecordBatch:
        self.named.take(seen)
        if self.rows.take(seen) or len(seen.vmas):
            self.labels, self.code = coded(self.named.labels(self.rows.numbers, ""))
        address, code, counts = self._counts(per)
        about, rows = seen.about[0], len(address)
        at_ns = int(about["at_ns"])
        columns = {
            "pass": np.full(rows, about["pass"]),
            "time": np.full(rows, unix_ns + at_ns, dtype="M8[ns]"),
            "elapsed_s": np.full(rows, (at_ns - first_ns) * 1e-9),
            "pid": np.full(rows, about["pid"]),
            "start_time_ticks": np.full(rows, about["start_time"]),
            "generation": np.full(rows, about["generation"]),
            "process": _text(np.zeros(rows), [self.named.name]),
            "cgroup": _text(np.zeros(rows), [self.named.cgroup]),
            "mapping": _text(code, self.labels),
            "address": address,
            "present_4k_pages": counts[0],
            "slow_4k_pages": counts[1],
            "known_4k_pages": counts[2],
            "accessed_4k_pages": counts[3],
        }
        arrays = [
            pa.array(columns[each.name], each.type)
            if isinstance(columns[each.name], np.ndarray)
            else columns[each.name]
            for each in SCHEMA
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    def _counts(self, per: Per) -> tuple[np.ndarray, PageNumbers, np.ndarray]:
        """Addresses and mappings (n,), and present, slow, known and accessed pages (4, n)."""
        rows = self.rows
        counts = np.stack((rows.present, rows.slow, rows.known, rows.accessed))
        there = rows.present > 0
        address, code = rows.numbers[there] * np.uint64(HUGE_PAGE_BYTES), self.code[there]
        counts = counts[:, there].astype(np.uint64)
        if per == "row":
            return address, code, counts
        code, first, place = np.unique(code, return_index=True, return_inverse=True)
        sums = np.zeros((len(counts), len(code)), dtype=np.uint64)
        for total, each in zip(sums, counts, strict=True):
            np.add.at(total, place, each)
        return address[first], code, sums


def coded(labels: list[str]) -> tuple[list[str], PageNumbers]:
    """Each label once, and for each of (n,) which it is."""
    places = {label: at for at, label in enumerate(dict.fromkeys(labels))}
    return list(places), np.array([places[label] for label in labels], dtype=np.intp)


def _text(code: np.ndarray, texts: list[str]) -> pa.DictionaryArray:
    """(n,) texts by their place; null for one that is ''."""
    known = [bool(text) for text in texts]
    absent = ~np.array([*known, False])[code.astype(np.intp)]
    places = pa.array(code.astype(np.int32), mask=absent)
    return pa.DictionaryArray.from_arrays(places, pa.array(texts, pa.string()))
