"""What the figures of many cases say: medians over seeds, promises, and where we lose."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

from mmscand.engine.registry import DEFAULT
from mmscand.sim.case import Figures, Record
from mmscand.sim.workloads import STATIONARY

MORE = 0.01
"""Latency above which one is said to be worse than another: 1 %."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """A policy in one place of the table."""

    workload: str
    ratio: int
    intensity: float
    policy: str

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"{self.workload} 1:{self.ratio} at {self.intensity:g}"


Table = dict[Cell, Figures]


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of the table of targets: the worst of all cells it is about must keep the limit."""

    name: str
    limit: float
    unit: str
    value: Callable[[Figures], float | None]
    workloads: tuple[str, ...] = ()
    """All where empty."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a promise came out."""

    promise: Promise
    worst: float
    where: str
    kept: int
    cells: int


_ZIPF = ("zipf-0.7", "zipf-0.99", "zipf-1.2")
_CALM = (*_ZIPF, "gups", "quarter-moves", "gups-shift", "zipf-shift", "phases")
PROMISES = (
    Promise("regret, zipf 0.99", 1.0, "pp", lambda f: f["steady_regret_pp"], ("zipf-0.99",)),
    Promise("regret, GUPS", 0.1, "pp", lambda f: f["steady_regret_pp"], ("gups",)),
    Promise("regret, zipf 0.7", 2.5, "pp", lambda f: f["steady_regret_pp"], ("zipf-0.7",)),
    Promise("regret, everywhere", 3.0, "pp", lambda f: f["regret_pp"]),
    Promise("full shift", 5, "periods", lambda f: f["recovery_periods"]),
    Promise("full shift, of a hot page", 3, "clears", lambda f: f["recovery_clears"]),
    Promise("moves a pass, stationary", 0.2, "%", lambda f: f["moves_percent"], STATIONARY),
    Promise(
        "moves a pass, uniform, GUPS", 0, "%", lambda f: f["moves_percent"], ("uniform", "gups")
    ),
    Promise("promoted by a stream", 0.1, "%", lambda f: f["swept_percent"]),
    Promise("re-promoted", 1.0, "%", lambda f: f["again_percent"]),
    Promise(
        "latency to O-cost",
        1.10,
        "x",
        lambda f: f["latency_ns"] / f["least_ns"],
        _CALM,
    ),
    Promise(
        "latency to O-cost, stairs",
        1.25,
        "x",
        lambda f: f["latency_ns"] / f["least_ns"],
        ("stairs", "zigzag"),
    ),
)


def medians(records: Iterable[Record]) -> Table:
    """The median over seeds of each figure."""
    groups: dict[Cell, list[Figures]] = defaultdict(list)
    for record in records:
        case: dict[str, Any] = record["case"]
        cell = Cell(case["workload"], case["ratio"], case["intensity"], case["policy"])
        groups[cell].append(record["figures"])
    return {cell: _median(rows) for cell, rows in groups.items()}


def _median(rows: Sequence[Figures]) -> Figures:
    names = rows[0].keys()
    values = {name: [row[name] for row in rows] for name in names}  # type: ignore[literal-required]
    return cast(
        Figures,
        {name: None if None in column else median(column) for name, column in values.items()},
    )


def verdicts(table: Table, policy: str = DEFAULT) -> list[Verdict]:
    """Each promise that the table has cells for, against its worst cell."""
    found: list[Verdict] = []
    for promise in PROMISES:
        found += _judged(promise, _values(table, policy, promise))
    return found + _harm(table, policy)


def _judged(promise: Promise, values: Sequence[tuple[float, str]]) -> list[Verdict]:
    """One verdict on them, or none where there are none."""
    if not values:
        return []
    worst, where = max(values)
    kept = sum(value <= promise.limit for value, _ in values)
    return [Verdict(promise, worst, where, kept, len(values))]


def _values(table: Table, policy: str, promise: Promise) -> list[tuple[float, str]]:
    return [
        (value, cell.place)
        for cell, figures in sorted(table.items())
        if cell.policy == policy
        and cell.workload in (promise.workloads or (cell.workload,))
        and (value := promise.value(figures)) is not None
    ]


def _harm(table: Table, policy: str) -> list[Verdict]:
    """Against doing nothing, over the whole run."""
    promise = Promise("slower than doing nothing", 100 * MORE, "%", lambda f: None)
    values = [
        (100 * (figures["whole_latency_ns"] / still["whole_latency_ns"] - 1), cell.place)
        for cell, figures in sorted(table.items())
        if cell.policy == policy and (still := table.get(_instead(cell, "nothing")))
    ]
    return _judged(promise, values)


@dataclass(frozen=True, slots=True)
class Loss:
    """A place where another policy is faster."""

    where: str
    other: str
    percent: float
    """By which our mean latency is higher, from the first quarter on."""
    regret_pp: float
    other_regret_pp: float


def losses(table: Table, policy: str = DEFAULT) -> list[Loss]:
    """Where the policy is over 1 % slower than the best other one, the worst first."""
    found = []
    for cell, figures in table.items():
        others = [
            (other["latency_ns"], place.policy, other["regret_pp"])
            for place, other in table.items()
            if cell.policy == policy != place.policy and _instead(place, policy) == cell
        ]
        if others and figures["latency_ns"] > (1 + MORE) * min(others)[0]:
            latency, name, regret = min(others)
            percent = 100 * (figures["latency_ns"] / latency - 1)
            found.append(Loss(cell.place, name, percent, figures["regret_pp"], regret))
    return sorted(found, key=lambda loss: -loss.percent)


def worst_regrets(table: Table) -> dict[str, dict[str, float]]:
    """Of each workload, by policy: over all ratios and intensities."""
    found: dict[str, dict[str, float]] = {}
    for cell, figures in table.items():
        row = found.setdefault(cell.workload, {})
        row[cell.policy] = max(row.get(cell.policy, 0.0), figures["regret_pp"])
    return found


def _instead(cell: Cell, policy: str) -> Cell:
    return Cell(cell.workload, cell.ratio, cell.intensity, policy)
