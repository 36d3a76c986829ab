"""From recordings: kinds of pages by how often they are accessed, for a sizing curve."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from mmscand.errors import UsageError
from mmscand.model import FloatArray, PageNumbers
from mmscand.record.file import Recording, with_path
from mmscand.record.replay import Pages

_LEAST_PASSES = 8
_CHANCES: FloatArray = -np.expm1(-np.geomspace(1e-6, 20.0, 160))
"""(160,) that a page is accessed in a pass."""
_LEAST_S = 1e-9
"""Of a recording, so that nothing is divided by 0."""
_STEPS = 400
"""Of expectation maximization: 100 leave a curve of zipf 0.99 from 60 passes half a point off."""


Kind = tuple[float, float]
"""Accesses a second of a page, at most one a pass, and the number of such pages (4 KiB)."""


def fleet_kinds(paths: Sequence[Path], executor: Executor) -> list[list[Kind]]:
    """`kinds` of each recording, read by a worker of its own. UsageError names the recording."""
    return list(executor.map(_named_kinds, paths))


def _named_kinds(path: Path) -> list[Kind]:
    """In a worker."""
    try:
        return kinds(Recording(path))
    except UsageError as error:
        raise with_path(error, path) from None


def kinds(recording: Recording) -> list[Kind]:
    """Of all pages of a recording.

    By maximum likelihood from the number of passes that found each page accessed (a mixture of
    binomials, Kiefer and Wolfowitz 1956): what a page got by chance makes it no hotter.
    UsageError for a recording of fewer than eight passes.
    """
    pages = Pages(recording)
    counts = np.zeros(len(pages), dtype=np.intp)
    there = np.zeros(len(pages), dtype=np.bool_)
    passes, times = 0, []
    for seen in pages.rounds():
        times.append(seen.at_s)
        if passes:  # the first has what was set since the process began
            counts += seen.accessed
        there |= seen.present
        passes += 1
    if passes < _LEAST_PASSES:
        raise UsageError(
            f"the recording has {passes} passes, too few for a curve", hint="record for longer"
        )
    found = np.bincount(counts[there], minlength=passes)
    weights = _mixture(found, passes - 1) * found.sum()
    rates = _CHANCES * ((passes - 1) / max(times[-1] - times[0], _LEAST_S))
    return list(zip(rates.tolist(), weights.tolist(), strict=True))


def _mixture(pages: PageNumbers, passes: int) -> FloatArray:
    """(160,) share of pages of each chance, from (passes + 1,) pages by how often each was seen."""
    some = np.flatnonzero(pages)
    hit, miss = np.log(_CHANCES), np.log1p(-_CHANCES)
    log = some[:, None] * hit + (passes - some[:, None]) * miss
    likely = np.exp(log - log.max(axis=1, keepdims=True))
    weights = np.full(len(_CHANCES), 1 / len(_CHANCES))
    share = pages[some] / pages.sum()
    for _ in range(_STEPS):
        posterior = likely * weights
        weights = share @ (posterior / posterior.sum(axis=1, keepdims=True))
    return weights
