"""The results of a contest: its file, medians over seeds, and figures in which mmscand loses.

Pure computing, and one file of JSON.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Literal

from mmscand_lab.kernel import LabError

CONTEST = "contest.json"
LEVELS, THROUGHPUT = "levels.csv", "throughput.csv"
"""Curves of a run: what is up, and throughput as a share of all-fast."""
OURS = "mmscand"
"""Names of mmscand's own policies begin so."""
IDLE = "nothing"
"""The policy that moves nothing, and so costs nothing: it wins no figure."""

Better = Literal["low", "high", "neither"]
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run: what it is called, how it is shown, which end is the good one."""

    title: str
    shape: str
    better: Better

    def shown(self, value: float | None) -> str:
        """For people; None is never."""
        return "never" if value is None else self.shape.format(value)


FIGURES: Mapping[str, Figure] = {
    "seconds_to_95": Figure("to 95 %, s", "{:.1f}", "low"),
    "seconds_to_95_after_shift": Figure("after shift, s", "{:.1f}", "low"),
    "hit_share": Figure("hits at the end", "{:.1%}", "high"),
    "hit_share_over_time": Figure("hits over time", "{:.1%}", "high"),
    "memory_share": Figure("memory up at the end", "{:.1%}", "neither"),
    "memory_share_over_time": Figure("memory up over time", "{:.1%}", "neither"),
    "wrong_pages": Figure("wrong pages up", "{:.0f}", "low"),
    "streamed_up_pages": Figure("streamed pages up", "{:.0f}", "low"),
    "pages_moved": Figure("pages moved", "{:.0f}", "low"),
    "throughput_alone": Figure("of all-fast, alone", "{:.0%}", "neither"),
    "throughput_moving": Figure("of all-fast, moving", "{:.0%}", "high"),
    "throughput_rest": Figure("of all-fast, at rest", "{:.0%}", "high"),
    "served_fast": Figure("misses served fast", "{:.0%}", "high"),
    "core_slower_by": Figure("a core is slower by", "{:.1f}", "neither"),
    "others_cores": Figure("host: cores of others", "{:.2f}", "neither"),
    "ops_alone": Figure("ops/s alone", "{:.0f}", "neither"),
    "ops_moving_ratio": Figure("ops, moving", "{:.2f}", "high"),
    "ops_rest_ratio": Figure("ops, at rest", "{:.2f}", "high"),
    "p99_ms_alone": Figure("p99 alone, ms", "{:.2f}", "neither"),
    "p99_ms_moving": Figure("p99 moving, ms", "{:.2f}", "low"),
    "cpu_s": Figure("CPU, s", "{:.1f}", "low"),
    "system_s": Figure("in task, s", "{:.1f}", "low"),
}
"""By their keys in the file, in the order in which they are shown.

hit: share of the accesses that go to the top tier. memory: share of the program's memory there,
where nobody knows its accesses. 95 % are of the best hit share that there can be with the room of
the fast node. wrong: pages up that never were hot. of all-fast: means of operations, as a share of
those with all memory as fast as the top tier. misses: of the cache, at the end, as the plug-in for
slow memory counts them. slower: than the host's; the CPU budget of mmscand-shipped is the shipped
one times this. others: what else the host did meanwhile; from 0.1 on figures are disturbed. ops:
means, as a multiple of those alone, where the plug-in counts nothing. CPU: of the daemon and of
kernel threads. in task: what the workload itself spent in the kernel.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One tiering policy on one load."""

    load: str
    policy: str
    seed: int
    figures: Mapping[str, float | None]
    """By key; without those that are not known of this load. None: that was never reached."""


def load_runs(folder: Path) -> list[Run]:
    """The runs of the folder; none when there is no file yet. LabError for another format."""
    try:
        text = (folder / CONTEST).read_text(encoding="utf-8")
        return [Run(**run) for run in json.loads(text)]
    except FileNotFoundError:
        return []
    except (TypeError, ValueError):
        hint = f"delete {folder}, or take another folder"
        raise LabError("the results are of another version", hint=hint) from None


def save_runs(folder: Path, runs: Iterable[Run]) -> None:
    """Write them all, whole or not at all."""
    part = folder / f"{CONTEST}.part"
    part.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n", encoding="utf-8")
    part.replace(folder / CONTEST)


def missing(
    runs: Iterable[Run], loads: Sequence[str], policies: Sequence[str], seeds: Sequence[int]
) -> list[Run]:
    """Runs that are asked for and not there, without figures; policies of a seed are neighbours."""
    there = {(run.load, run.seed, run.policy) for run in runs}
    asked = product(loads, seeds, policies)
    return [
        Run(load, policy, seed, {})
        for load, seed, policy in asked
        if (load, seed, policy) not in there
    ]


def run_folder(results: Path, load: str, policy: str, seed: int) -> Path:
    """Where the recordings of a run are."""
    return results / f"{load}-{policy}-{seed}"


Curve = Sequence[tuple[float, float]]
"""Seconds since the policy began, and a share."""


def save_curve(folder: Path, name: str, curve: Curve) -> None:
    """Write a share over the time of a run."""
    text = "".join(f"{at:.2f},{share:.5f}\n" for at, share in curve)
    (folder / name).write_text(f"seconds,share\n{text}", encoding="ascii")


def load_curve(folder: Path, name: str) -> Curve:
    """The same; empty without such a file."""
    try:
        lines = (folder / name).read_text(encoding="ascii").splitlines()[1:]
    except FileNotFoundError:
        return []
    return [(float(at), float(share)) for at, share in (line.split(",") for line in lines)]


Standings = Mapping[str, Mapping[str, Mapping[str, float | None]]]
"""By load, policy and key: the median over the seeds, or None."""


def medians(runs: Iterable[Run]) -> Standings:
    """Never is above every number; of two of which one is never, so is the median."""
    values: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for run in runs:
        for key, value in run.figures.items():
            values[run.load][run.policy][key].append(_NEVER if value is None else value)
    return {
        load: {
            policy: {key: _finite(median(found)) for key, found in figures.items()}
            for policy, figures in policies.items()
        }
        for load, policies in values.items()
    }


def _finite(value: float) -> float | None:
    return None if value == _NEVER else value


@dataclass(frozen=True, slots=True)
class Loss:
    """A figure in which the best of the others is better than one of ours."""

    load: str
    key: str
    ours: str
    value: float | None
    other: str
    its: float | None

    def __str__(self) -> str:
        figure = FIGURES[self.key]
        both = f"{figure.shown(self.value)}, {self.other} {figure.shown(self.its)}"
        return f"{self.load}: {self.ours}: {figure.title}: {both}"


def losses(standings: Standings) -> Sequence[Loss]:
    """Figures in which another policy is better than one of ours, in the order of FIGURES."""
    return [
        Loss(load, key, ours, policies[ours][key], other, policies[other][key])
        for load, policies in standings.items()
        for ours in policies
        if ours.startswith(OURS)
        for key in FIGURES
        if key in policies[ours] and (other := _better(policies, key, ours)) is not None
    ]


def _better(policies: Mapping[str, Mapping[str, float | None]], key: str, ours: str) -> str | None:
    """The best of those that are not ours, if it beats ours by more than is shown."""
    others = [name for name in policies if not name.startswith(OURS) and name != IDLE]
    figure = FIGURES[key]
    if figure.better == "neither" or not others:
        return None
    best = min(others, key=lambda name: _badness(figure, policies[name][key]))
    value, its = policies[ours][key], policies[best][key]
    if figure.shown(value) == figure.shown(its):
        return None
    return best if _badness(figure, its) < _badness(figure, value) else None


def _badness(figure: Figure, value: float | None) -> float:
    number = _NEVER if value is None else value
    return -number if figure.better == "high" else number
