"""Recordings of several machines as one picture, each read by a worker of its own."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mmscand.errors import UsageError
from mmscand.heatmap.bands import in_bands
from mmscand.heatmap.drawing import coarser
from mmscand.heatmap.model import Gathered, Sum
from mmscand.heatmap.recorded import MOST_LOOKS, By, gathered
from mmscand.heatmap.space import Sums
from mmscand.record.file import Recording, with_path

_PIECES = 256
"""Of each recording: 2 MB that a worker sends."""


def fleet(paths: Sequence[Path], by: By, executor: Executor) -> Gathered:
    """All of them, in the order of their wall clocks. Bands of one name are one.

    `by` file: each recording is a band, called as its file. UsageError as of `gathered`.
    """
    labels = [path.stem for path in paths]
    if by == "file" and len(set(labels)) < len(labels):
        labels = [str(path) for path in paths]
    parts = list(executor.map(partial(_part, by=by), paths, labels))
    began = min(part.started_unix_s for part in parts)
    step, looks = _looks(parts, began)
    sums = np.concatenate([_on_time(part, began, step, looks) for part in parts], axis=2)
    names = [name for part in parts for name, pieces in part.bands for _ in range(pieces)]
    order, bands = in_bands(names, sums[Sum.PRESENT].max(axis=0))
    return Gathered(
        title=f"{len(parts)} recordings",
        sums=sums[:, :, order],
        bands=bands,
        at_s=np.arange(looks, dtype=np.float64) * step,
        started_unix_s=began,
        unit="share",
        note=_note(parts),
    )


def _part(path: Path, label: str, by: By) -> Gathered:
    """In a worker."""
    try:
        found = coarser(gathered(Recording(path), by=by, several=True), _PIECES)
    except UsageError as error:
        raise with_path(error, path) from None
    if by == "file":
        found = replace(found, bands=((label, found.sums.shape[2]),))
    return found


def _looks(parts: Sequence[Gathered], began: float) -> tuple[float, int]:
    """Seconds from one look of the picture to the next, and how many there are."""
    span = max(part.started_unix_s + part.at_s[-1] for part in parts) - began
    steps = [float(np.median(np.diff(part.at_s))) for part in parts if len(part.at_s) > 1]
    step = max(span / (MOST_LOOKS - 1), min(steps, default=1.0), 1e-3)
    return step, int(span / step) + 1


def _on_time(part: Gathered, began: float, step: float, looks: int) -> Sums:
    """(4, looks, pieces) its looks at their times; between two of them it is as before."""
    at = ((part.started_unix_s - began + part.at_s) / step).astype(np.intp).clip(0, looks - 1)
    sums = np.zeros((len(Sum), looks, part.sums.shape[2]), dtype=np.float32)
    for look, place in enumerate(at.tolist()):
        sums[:, place] += part.sums[:, look]
    sums /= np.bincount(at, minlength=looks).clip(1)[:, None]
    inside = np.arange(at[0], at[-1] + 1)
    latest = at[np.searchsorted(at, inside, side="right") - 1]
    sums[:, inside] = sums[:, latest]
    return sums


def _note(parts: Sequence[Gathered]) -> str:
    """What holds for all of them, or for how many."""
    notes = [note for part in parts for note in part.note.split("; ") if note]
    counts = {note: notes.count(note) for note in notes}
    return "; ".join(
        note if count == len(parts) else f"{count} of {len(parts)}: {note}"
        for note, count in counts.items()
    )
