"""From sums to cells: as many rows and columns as there is room for."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmscand.heat.picture import allotted, cuts
from mmscand.heatmap.model import Band, Gathered, HeatMap, Sum
from mmscand.model import FloatArray, PageNumbers

_Sums = NDArray[np.float32]
_LEAST_OF_A_ROW = 0.25
"""Of its height in memory, for a band of its own: a small process maps fifty libraries."""


def drawn(
    gathered: Gathered, rows: int, columns: int, *, bands: int | None = None, least_rows: int = 1
) -> HeatMap:
    """At most this many rows and columns; bands beyond `bands` (as many as rows) become one.

    Each band has `least_rows`, where it has as many pieces and there is room.
    """
    gathered = _fewer_bands(gathered, min(rows, bands or rows), rows)
    sizes = [pieces for _, pieces in gathered.bands]
    heights = allotted(sizes, rows, least_rows)
    columns_at = _column_cuts(gathered.sums.shape[1], columns)
    by_piece = np.add.reduceat(gathered.sums, columns_at, axis=1)
    cells = np.add.reduceat(by_piece, cuts(sizes, heights), axis=2).astype(np.float64)
    return HeatMap(
        title=gathered.title,
        bands=_bands(gathered, heights),
        heat=_share(cells[Sum.HEAT], cells[Sum.KNOWN]).T,
        slow=_share(cells[Sum.SLOW], cells[Sum.PRESENT]).T,
        at_s=gathered.at_s[columns_at],
        seconds=float(gathered.at_s[-1]),
        looks=gathered.sums.shape[1],
        started_unix_s=gathered.started_unix_s,
        unit=gathered.unit,
        pages=round(gathered.sums[Sum.PRESENT].sum(axis=1, dtype=np.float64).max()),
        note=gathered.note,
    )


def coarser(gathered: Gathered, pieces: int) -> Gathered:
    """The same with at most this many pieces."""
    gathered = _fewer_bands(gathered, pieces, pieces)
    sizes = [size for _, size in gathered.bands]
    counts = [min(*each) for each in zip(allotted(sizes, pieces), sizes, strict=True)]
    sums = np.add.reduceat(gathered.sums, cuts(sizes, counts), axis=2)
    labels = (label for label, _ in gathered.bands)
    return replace(gathered, sums=sums, bands=tuple(zip(labels, counts, strict=True)))


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _column_cuts(looks: int, columns: int) -> PageNumbers:
    """(columns,) the first look of each; all of about one length."""
    columns = min(looks, columns)
    return np.arange(columns, dtype=np.intp) * looks // columns


def _fewer_bands(gathered: Gathered, most: int, rows: int) -> Gathered:
    """The smallest bands become one, behind the others: those beyond `most`, and those that would
    not fill a part of one of the picture's rows.
    """
    firsts = np.cumsum([0, *(pieces for _, pieces in gathered.bands)])
    sizes = [
        float(gathered.sums[Sum.PRESENT, :, first : first + pieces].sum())
        for first, (_, pieces) in zip(firsts, gathered.bands, strict=False)
    ]
    by_size = sorted(range(len(sizes)), key=lambda at: sizes[at], reverse=True)
    least = sum(sizes) * _LEAST_OF_A_ROW / rows
    large = [at for at in by_size if sizes[at] >= least]
    if len(sizes) - len(large) <= 1 and len(sizes) <= most:
        return gathered
    if len(sizes) > len(large) or len(sizes) > most:
        large = large[: most - 1]
    kept, others = sorted(large), sorted(set(by_size) - set(large))
    order = np.concatenate([np.arange(firsts[at], firsts[at + 1]) for at in (*kept, *others)])
    rest = (f"{len(others)} smaller ones", sum(gathered.bands[at][1] for at in others))
    bands = (*(gathered.bands[at] for at in kept), rest)
    return replace(gathered, sums=gathered.sums[:, :, order], bands=bands)


def _bands(gathered: Gathered, heights: Sequence[int]) -> tuple[Band, ...]:
    result, piece, row = [], 0, 0
    for (label, pieces), rows in zip(gathered.bands, heights, strict=True):
        pages, slow = _latest(gathered.sums[:, :, piece : piece + pieces])
        fast = 100 * (1 - slow / pages) if pages else None
        result.append(Band(label, row, rows, round(pages), fast))
        piece, row = piece + pieces, row + rows
    return tuple(result)


def _latest(sums: _Sums) -> tuple[float, float]:
    """4 KiB pages and those on the slow tier of some pieces, at the last look that found any."""
    present = sums[Sum.PRESENT].sum(axis=1, dtype=np.float64)
    found = np.flatnonzero(present)
    if not len(found):
        return 0.0, 0.0
    return float(present[found[-1]]), float(sums[Sum.SLOW, found[-1]].sum(dtype=np.float64))
