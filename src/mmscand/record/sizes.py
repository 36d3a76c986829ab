"""From a recording: kinds of pages by how often they are accessed, for a sizing curve."""

import numpy as np

from mmscand.errors import UsageError
from mmscand.model import FloatArray, PageNumbers
from mmscand.record.file import Recording
from mmscand.record.replay import Pages

_LEAST_PASSES = 8
_CHANCES: FloatArray = -np.expm1(-np.geomspace(1e-6, 20.0, 160))
"""(160,) that a page is accessed in a pass."""
_STEPS = 400
"""Of expectation maximization: 100 leave a curve of zipf 0.99 from 60 passes half a point off."""


def kinds(recording: Recording) -> list[tuple[float, float]]:
    """Chance that a pass finds a page accessed, and the number of such pages (4 KiB).

    By maximum likelihood from the number of passes that found each page accessed (a mixture of
    binomials, Kiefer and Wolfowitz 1956): what a page got by chance makes it no hotter.
    UsageError for a recording of fewer than eight passes.
    """
    pages = Pages(recording)
    counts = np.zeros(len(pages), dtype=np.intp)
    there = np.zeros(len(pages), dtype=np.bool_)
    passes = 0
    for seen in pages.rounds():
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
    return list(zip(_CHANCES.tolist(), weights.tolist(), strict=True))


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
