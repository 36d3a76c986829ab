"""How much room each band of a picture of memory gets, and how its rows are cut: pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmscand.heat.row_heat import RowHeat, Unit
from mmscand.model import HUGE_PAGE_BYTES, FloatArray, MappingNames, PageNumbers, Process, UIntArray
from mmscand.sets import distinct

_ROW_BYTES = np.uint64(HUGE_PAGE_BYTES)


def allotted(sizes: Sequence[int], most: int, least: int = 1) -> list[int]:
    """Rows of a picture for bands of these sizes (n,), by size; `most` in all.

    `least` for each, also for one that is smaller, so that it is seen and there is room for its
    name; fewer where these are more than all. ValueError where there are fewer rows than bands.
    """
    if len(sizes) > most:
        raise ValueError(f"{len(sizes)} bands do not fit {most} rows")
    least = max(1, min(least, most // max(1, len(sizes))))
    rows = [least] * len(sizes)
    wanted = [max(0, size - had) for size, had in zip(sizes, rows, strict=True)]
    left, total = most - sum(rows), sum(wanted)
    if total <= left:
        return [had + want for had, want in zip(rows, wanted, strict=True)]
    shares = [left * want / total for want in wanted]
    rows = [had + int(share) for had, share in zip(rows, shares, strict=True)]
    by_rest = sorted(range(len(sizes)), key=lambda at: shares[at] % 1, reverse=True)
    for at in by_rest[: most - sum(rows)]:
        rows[at] += 1
    return rows


def cuts(sizes: Sequence[int], rows: Sequence[int]) -> PageNumbers:
    """(sum of `rows`,) where each row of the picture begins, in bands of these sizes in a row.

    A band of more rows than its size begins some of them at one place.
    """
    firsts = np.cumsum([0, *sizes])
    parts = [
        first + np.arange(count) * size // count
        for first, size, count in zip(firsts, sizes, rows, strict=False)
    ]
    return np.concatenate([np.empty(0, dtype=np.intp), *parts]).astype(np.intp)


def mapping_of(starts: UIntArray, ends: UIntArray, rows: UIntArray) -> PageNumbers:
    """(n,) which mapping has most bytes of each row (2 MiB) from these addresses on; -1: none."""
    first = np.searchsorted(ends, rows, side="right")
    counts = np.searchsorted(starts, rows + _ROW_BYTES, side="left") - first
    found = np.where(counts > 0, first, -1)
    several = np.flatnonzero(counts > 1)
    best = np.zeros(len(several), dtype=np.uint64)
    for step in range(int(counts.max(initial=0))):
        some = counts[several] > step
        at, mapping = several[some], first[several[some]] + step
        overlap = np.minimum(ends[mapping], rows[at] + _ROW_BYTES) - np.maximum(
            starts[mapping], rows[at]
        )
        more = overlap > best[some]
        best[np.flatnonzero(some)[more]] = overlap[more]
        found[at[more]] = mapping[more]
    return found


@dataclass(frozen=True, slots=True)
class Pieces:
    """The memory of a process in a few pieces, none of which has memory of two mappings."""

    unit: Unit
    mappings: MappingNames
    """Those that have a piece, in the order of their addresses."""
    mapping: PageNumbers
    """(n,) place in `mappings` of each piece; len(mappings.names): no mapping that is there now."""
    starts: UIntArray
    """(n,) ascending."""
    ends: UIntArray
    heat: FloatArray
    """(n,) mean of the pages with known heat; NaN where none is."""
    known: PageNumbers
    """(n,) 4 KiB pages of which the heat is known."""
    slow: PageNumbers
    fast: PageNumbers
    """(n,) 4 KiB pages on each tier."""


@dataclass(frozen=True, slots=True)
class ProcessHeat:
    """What is known of the memory of one process."""

    process: Process
    pieces: Pieces


def pieces_of(rows: RowHeat, unit: Unit, names: MappingNames, most: int) -> Pieces:
    """At most this many; each mapping with memory has one, but for the last where they are more.

    A row of 2 MiB counts for the mapping that has most of it.
    """
    of_row = mapping_of(names.starts, names.ends, rows.addresses)
    of_row[of_row < 0] = len(names.names)
    firsts = np.flatnonzero(np.diff(of_row, prepend=-1))
    if len(firsts) > most:  # its smallest mappings join what lies before them
        sizes = np.diff(firsts, append=len(of_row))
        kept = np.sort(np.argsort(-sizes, kind="stable")[:most])
        kept[0] = 0
        firsts = firsts[kept]
    sizes = np.diff(firsts, append=len(of_row)).tolist()
    begins = cuts(sizes, [min(*each) for each in zip(allotted(sizes, most), sizes, strict=True)])
    return _summed(rows, unit, names, of_row, begins)


def _summed(
    rows: RowHeat, unit: Unit, names: MappingNames, of_row: PageNumbers, begins: PageNumbers
) -> Pieces:
    """Pieces of the rows from each of `begins` (n,) to the next."""
    lasts = np.append(begins[1:], len(of_row))[: len(begins)] - 1
    heat = np.add.reduceat(rows.heat, begins) if len(begins) else rows.heat
    known, slow, fast = (
        np.add.reduceat(each, begins) if len(begins) else each
        for each in (rows.known, rows.slow, rows.fast)
    )
    used = distinct(of_row[begins])
    there = used[used < len(names.names)]
    return Pieces(
        unit=unit,
        mappings=MappingNames(
            names.starts[there], names.ends[there], tuple(names.names[at] for at in there.tolist())
        ),
        mapping=np.searchsorted(there, of_row[begins]),
        starts=rows.addresses[begins],
        ends=rows.addresses[lasts] + _ROW_BYTES,
        heat=np.divide(heat, known, out=np.full(len(heat), np.nan), where=known > 0),
        known=known,
        slow=slow,
        fast=fast,
    )
