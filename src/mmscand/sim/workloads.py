"""Seeded workloads, after the traces that papers on tiering use.

YCSB's zipf, HeMem's GUPS, NEMO's shift, masim's stairs, zigzag and phases, TPP's churn. Page
numbers are shuffled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmscand.errors import UsageError
from mmscand.model import FloatArray, PageNumbers
from mmscand.sim.workload import Workload

HUGE_MOVE_NS = 190_000.0
"""One huge page by move_pages(2); of a 4K page see sim.workload."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What every workload is made for."""

    pages: int
    capacity: int
    """Pages that fit the fast tier."""
    windows: float
    """How long it runs."""
    intensity: float
    """Mean accesses of a 4K page in a base window."""
    seed: int


def _to_mean(rates: FloatArray, classes: PageNumbers, mean: float) -> FloatArray:
    """Scaled so that the mean over pages is `mean`."""
    sizes = np.bincount(classes, minlength=len(rates))
    return rates * (mean * len(classes) / float(sizes @ rates))


def _fixed(rates: FloatArray) -> Callable[[int], FloatArray]:
    return lambda step: rates


def _shares(frame: Frame, *shares: float) -> PageNumbers:
    """Classes of shuffled pages, so large each; the last class has the rest."""
    order = np.random.default_rng(frame.seed).permutation(frame.pages)
    borders = (np.cumsum(shares) * frame.pages).round().astype(np.intp)
    classes: PageNumbers = np.searchsorted(borders, order, side="right")
    return classes


def _zipf_rates(frame: Frame, exponent: float) -> FloatArray:
    rates: FloatArray = 1 / np.arange(1, frame.pages + 1) ** exponent
    return rates * (frame.intensity / float(rates.mean()))


def _zipf(frame: Frame, exponent: float) -> Workload:
    order = np.random.default_rng(frame.seed).permutation(frame.pages)
    return Workload(order, _fixed(_zipf_rates(frame, exponent)))


def _gups(frame: Frame) -> Workload:
    """HeMem's GUPS: 90 % of the accesses go to 10 % of the pages."""
    classes = _shares(frame, 0.1)
    return Workload(
        classes, _fixed(_to_mean(np.array([0.9 / 0.1, 0.1 / 0.9]), classes, 1.0) * frame.intensity)
    )


def _moving(frame: Frame, part: float) -> Workload:
    """GUPS, of whose hot set a part moves elsewhere halfway."""
    stays = 0.1 * (1 - part)
    classes = _shares(frame, 0.1 * part, 0.1 * part, stays)
    hot, cold = 9.0, 1 / 9
    before = _to_mean(np.array([hot, cold, hot, cold]), classes, frame.intensity)
    after = before[[1, 0, 2, 3]]
    half = frame.windows / 2
    return Workload(
        classes,
        lambda step: before if step == 0 else after,
        step=half,
        shift_at=half if part == 1 else None,
    )


def _zipf_shift(frame: Frame) -> Workload:
    """Zipf 0.99, with another order of all pages from halfway on."""
    before = _zipf_rates(frame, 0.99)
    after = before[np.random.default_rng(frame.seed + 1).permutation(frame.pages)]
    order = np.random.default_rng(frame.seed).permutation(frame.pages)
    half = frame.windows / 2
    return Workload(order, lambda step: after if step else before, step=half, shift_at=half)


def _regions(frame: Frame, count: int, hot_in: Callable[[int], int], step: float) -> Workload:
    """One of ten regions has 90 % of the accesses; which one changes every few windows."""
    classes = _shares(frame, *[1 / count] * (count - 1))
    share = 0.1 / 0.9

    def rates(number: int) -> FloatArray:
        weights = np.full(count, share)
        weights[hot_in(number)] = 9.0
        return _to_mean(weights, classes, frame.intensity)

    return Workload(classes, rates, step=step)


def _stairs(frame: Frame) -> Workload:
    return _regions(frame, 10, lambda step: step % 10, 5.0)


def _zigzag(frame: Frame) -> Workload:
    return _regions(frame, 10, lambda step: 5 * (step % 2), 5.0)


def _phases(frame: Frame) -> Workload:
    """masim: sixteen regions, zipf 1.2 among them, in another order every 20 windows."""
    classes = _shares(frame, *[1 / 16] * 15)
    weights = _to_mean(1 / np.arange(1, 17) ** 1.2, classes, frame.intensity)

    def rates(step: int) -> FloatArray:
        order = np.random.default_rng((frame.seed, step)).permutation(16)
        return _to_mean(weights[order], classes, frame.intensity)

    return Workload(classes, rates, step=20.0)


def _stream(frame: Frame) -> Workload:
    """Zipf 0.99, and halfway one pass over the coldest 70 %, seven windows long."""
    base = _zipf(frame, 0.99)
    rng = np.random.default_rng(frame.seed + 2)
    passed = rng.permutation(np.flatnonzero(base.classes >= 0.3 * frame.pages))
    start, end = frame.windows / 2, frame.windows / 2 + 7.0

    def swept(since: float, until: float) -> FloatArray:
        first, last = (
            int(np.clip((at - start) / (end - start), 0, 1) * len(passed)) for at in (since, until)
        )
        accesses = np.zeros(frame.pages)
        accesses[passed[first:last]] = 1.0
        return accesses

    return Workload(base.classes, base.rates_in, swept=swept, sweep=(start, end, passed))


def _cyclic(frame: Frame, footprint: float) -> Workload:
    """A scan that goes round over a little more than fits: the best is to keep what is there."""
    length = min(frame.pages, int(footprint * frame.capacity))
    order = np.random.default_rng(frame.seed).permutation(frame.pages)
    classes = (order >= length).astype(np.intp)
    speed = frame.pages * frame.intensity

    def swept(since: float, until: float) -> FloatArray:
        places = order.astype(np.float64)
        rounds = np.ceil((until * speed - places) / length) - np.ceil(
            (since * speed - places) / length
        )
        return np.where(order < length, rounds, 0.0)

    rates = _to_mean(np.array([1.0, 0.0])[: classes.max() + 1], classes, frame.intensity)
    return Workload(classes, _fixed(rates), swept=swept, only_swept=True)


def _uniform(frame: Frame) -> Workload:
    return Workload(np.zeros(frame.pages, dtype=np.intp), _fixed(np.array([frame.intensity])))


def _two_sets(frame: Frame) -> Workload:
    """An eighth is used 30 times as much as most, and an eighth 27 times."""
    classes = _shares(frame, 0.125, 0.125)
    return Workload(classes, _fixed(_to_mean(np.array([3.0, 2.7, 0.1]), classes, frame.intensity)))


def _huge(frame: Frame) -> Workload:
    """Huge pages with 1 to 16 hot pages of 512 in a tenth of them: only their sum can be seen.

    Every page of the workload is a huge one, with 512 times the accesses.
    """
    classes = _shares(frame, *[0.1 / 16] * 16)
    weights = np.append(np.arange(1.0, 17.0) * 9 / 8.5, 1 / 9)
    rates = _to_mean(weights, classes, 512 * frame.intensity)
    return Workload(classes, _fixed(rates), move_ns=HUGE_MOVE_NS)


def _churn(frame: Frame) -> Workload:
    """GUPS beside a fifth that lives ten windows, hot in the first two (TPP's web servers)."""
    classes = _shares(frame, *[0.02] * 10, 0.08)

    def rates(step: int) -> FloatArray:
        age = (step - np.arange(10)) % 10
        weights = np.append(np.where(age < 2, 9.0, 1 / 9), [9.0, 1 / 9])
        return _to_mean(weights, classes, frame.intensity)

    return Workload(
        classes, rates, step=1.0, renewed_in=lambda step: np.array([step % 10], dtype=np.intp)
    )


WORKLOADS: dict[str, Callable[[Frame], Workload]] = {
    "zipf-0.7": lambda frame: _zipf(frame, 0.7),
    "zipf-0.99": lambda frame: _zipf(frame, 0.99),
    "zipf-1.2": lambda frame: _zipf(frame, 1.2),
    "gups": _gups,
    "quarter-moves": lambda frame: _moving(frame, 0.25),
    "gups-shift": lambda frame: _moving(frame, 1.0),
    "zipf-shift": _zipf_shift,
    "stairs": _stairs,
    "zigzag": _zigzag,
    "phases": _phases,
    "stream": _stream,
    "cyclic-1.1": lambda frame: _cyclic(frame, 1.1),
    "cyclic-2": lambda frame: _cyclic(frame, 2.0),
    "uniform": _uniform,
    "two-sets": _two_sets,
    "huge": _huge,
    "churn": _churn,
}
STATIONARY = ("zipf-0.7", "zipf-0.99", "zipf-1.2", "gups", "uniform", "two-sets", "huge")


def workload_named(name: str, frame: Frame) -> Workload:
    """UsageError when there is none of that name."""
    if name not in WORKLOADS:
        raise UsageError(f"no workload {name!r}", hint=f"there are {', '.join(WORKLOADS)}")
    return WORKLOADS[name](frame)
