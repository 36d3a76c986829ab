"""Heat that the running daemon knows, asked for again and again, as sums."""

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mmscand.errors import MmscandError, UsageError
from mmscand.heatmap.bands import in_bands
from mmscand.heatmap.model import Gathered, Sum, Unit
from mmscand.model import FloatArray
from mmscand.record.mappings import NO_MAPPING
from mmscand.shown import shown

Answer = Mapping[str, Any]
"""What the daemon answers to `heat`, see control.heat_snapshot."""
_NOTES: Mapping[Unit, str] = {
    "rate": "rates as the daemon knows them, also from before",
    "passes": "of the slow tier alone: the daemon's policy watches no other",
}


def watched(
    ask: Callable[[], Answer], seconds: float, every_s: float, wait: Callable[[float], bool]
) -> Gathered:
    """Ask for so long; `wait` sleeps, and says whether to go on. At least one answer is taken.

    What `ask` raises ends it, if nothing was answered before.
    """
    began, unix_s = time.monotonic(), time.time()
    answers, times = [ask()], [0.0]
    while times[-1] + every_s <= seconds and wait(every_s):
        try:
            answers.append(ask())
        except MmscandError:  # it has exited, or the daemon has: what there is is drawn
            break
        times.append(time.monotonic() - began)
    return gathered_of(answers, times, unix_s)


def gathered_of(answers: Sequence[Answer], times: Sequence[float], unix_s: float) -> Gathered:
    """Answers at some times, s since the first.

    Pieces of the latest answer are those of the picture, and those of earlier answers where it has
    no memory any more. An earlier answer's pieces count for those that they overlap.
    UsageError where nothing is known yet.
    """
    latest, spans = answers[-1], _spans(answers)
    if not spans:
        raise UsageError("nothing is known of its memory yet", hint="try again in some seconds")
    borders = np.array([(start, end) for start, end, _ in spans], dtype=np.float64).reshape(-1, 2)
    sums = np.stack([_sums(answer, borders) for answer in answers], axis=1)
    labels = [label for *_, label in spans]
    order, bands = in_bands(labels)
    unit = cast(Unit, latest["unit"])
    return Gathered(
        title=f"{shown(str(latest['name']))}[{latest['pid']}]",
        sums=sums[:, :, order],
        bands=bands,
        at_s=np.array(times),
        started_unix_s=unix_s,
        unit=unit,
        note=_NOTES[unit],
    )


def _spans(answers: Sequence[Answer]) -> list[tuple[int, int, str]]:
    """Start, end and label of all pieces, the latest first where they overlap; ascending."""
    spans: list[tuple[int, int, str]] = []
    for answer in reversed(answers):
        starts = [start for start, *_ in spans]
        new = []
        for piece in answer["pieces"]:
            start, end = int(piece["start"]), int(piece["end"])
            before = bisect_left(starts, end) - 1
            if before < 0 or spans[before][1] <= start:
                new.append((start, end, _label(answer, piece["mapping"])))
        spans = sorted([*spans, *new])
    return spans


def _label(answer: Answer, mapping: int | None) -> str:
    if mapping is None:
        return NO_MAPPING
    about = answer["mappings"][mapping]
    return shown(str(about["name"])) or f"anon {int(about['start']):x}"


def _sums(answer: Answer, borders: FloatArray) -> NDArray[np.float32]:
    """(4, spans) of one answer, by how much of each piece lies in each span."""
    pieces = answer["pieces"]
    columns = ("start", "end", "told_pages", "slow_pages", "fast_pages")
    start, end, known, slow, fast = (
        np.array([each[name] for each in pieces], dtype=np.float64) for name in columns
    )
    heat = np.array([each["heat"] or 0.0 for each in pieces])
    first = np.maximum(borders[:, :1], start)
    overlap = np.maximum(0.0, np.minimum(borders[:, 1:], end) - first) / (end - start)
    result = np.zeros((len(Sum), len(borders)), dtype=np.float32)
    result[Sum.HEAT], result[Sum.KNOWN] = overlap @ (heat * known), overlap @ known
    result[Sum.SLOW], result[Sum.PRESENT] = overlap @ slow, overlap @ (slow + fast)
    return result
