"""`mmscand simulate` and `mmscand compare`: policies on a simulated machine, without root.

What they need is imported inside the commands: a mistake in the options is reported at once.
"""

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from mmscand.cli.files import os_errors_named, require_writable, write_text
from mmscand.cli.names import known_names, names, numbers, require_known
from mmscand.cli.options import PATH
from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand.settings import PolicyName

if TYPE_CHECKING:
    from mmscand.sim.case import Case, Record
    from mmscand.sim.judgement import Table

_FEWEST_PAGES = 64
_FOLDER = Path("out") / "compare"

pages_option = click.option(
    "--pages", type=click.IntRange(_FEWEST_PAGES), default=65536, help="Pages of the workload."
)
json_option = click.option("--json", "json_file", type=PATH, help="Also write all figures here.")


@click.command()
@click.option(
    "--workload", required=True, help="As in docs/archive/results.md: zipf-0.99, gups, ..."
)
@click.option("--policy", default="capacity", help="capacity, frequency, two-pass, ...")
@click.option("--ratio", default="1:8", help="Fast to slow memory.")
@click.option(
    "--intensity", type=float, default=1.0, help="Mean accesses of a page in a base window."
)
@click.option("--seed", type=click.IntRange(0), default=1)
@pages_option
@click.option("--windows", type=float, help="Base windows to run.  [default: 120, more if idle]")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, help="That have the pages between them."
)
@json_option
def simulate(
    workload: str,
    policy: str,
    ratio: str,
    intensity: float,
    seed: int,
    pages: int,
    windows: float | None,
    processes: int,
    json_file: Path | None,
) -> None:
    """Run one policy on one workload, and print its figures."""
    from mmscand.cli.table import pairs  # noqa: PLC0415
    from mmscand.model import PAGES_PER_TABLE  # noqa: PLC0415
    from mmscand.sim.case import Case, run_case  # noqa: PLC0415
    from mmscand.sim.workloads import WORKLOADS  # noqa: PLC0415

    require_known("workload", workload, WORKLOADS)
    require_known("policy", policy, get_args(PolicyName))
    if windows is not None and not 4 <= windows <= 1e6:
        raise UsageError(f"{windows:g} windows make no run", hint="between 4 and a million")
    [(slow)] = _ratios(ratio)
    if json_file is not None:
        require_writable(json_file)
    [many] = numbers(float, "intensity", str(intensity))
    if processes * PAGES_PER_TABLE > pages:
        hint = f"give {PAGES_PER_TABLE} for each"
        raise UsageError(f"{pages} pages are too few for {processes} processes", hint=hint)
    record = run_case(Case(workload, policy, slow, many, seed, pages, windows, processes))
    if json_file is not None:
        write_text(json_file, json.dumps(record, indent=2))
    print(pairs(list(record["figures"].items())))


@click.command()
@click.option("--workloads", default="", help="Names with commas; all if left out.")
@click.option("--policies", default="", help="Names with commas; all if left out.")
@click.option("--ratios", default="1:2,1:8,1:16", help="Fast to slow memory.")
@click.option(
    "--intensities", default="0.1,1,10,100", help="Mean accesses of a page in a base window."
)
@click.option("--seeds", default="1,2,3", help="Medians are taken over these.")
@pages_option
@json_option
@click.option("--picture", type=PATH, help="Also draw it here.")
@click.option(
    "--resume",
    type=PATH,
    default=_FOLDER,
    help="Folder with a result for each case; those there are kept.",
)
@click.option(
    "--jobs", type=click.IntRange(0), default=0, help="Processes; 0 is one for each core."
)
@click.option("--address", help="Send the cases to this Dask scheduler instead.")
def compare(
    workloads: str,
    policies: str,
    ratios: str,
    intensities: str,
    seeds: str,
    pages: int,
    json_file: Path | None,
    picture: Path | None,
    resume: Path,
    jobs: int,
    address: str | None,
) -> None:
    """Put policies side by side on many workloads; say which targets are met, and where we lose."""
    _require_extra()
    from mmscand.sim.comparison import cases_of  # noqa: PLC0415
    from mmscand.sim.judgement import medians  # noqa: PLC0415
    from mmscand.sim.workloads import WORKLOADS  # noqa: PLC0415

    loads = known_names("workload", workloads, WORKLOADS)
    chosen = known_names("policy", policies, get_args(PolicyName))
    cases = cases_of(
        loads,
        chosen,
        _ratios(ratios),
        numbers(float, "intensities", intensities),
        numbers(int, "seeds", seeds),
        pages,
    )
    for path in (resume / "any", *filter(None, [json_file, picture])):
        require_writable(path)
    with os_errors_named(resume):
        records = _run(cases, resume, address, jobs or os.cpu_count() or 1)
        table = medians(records)
        _write(records, table, json_file, picture)
    _report(table)


def _run(cases: "list[Case]", folder: Path, address: str | None, jobs: int) -> "list[Record]":
    from mmscand.sim.comparison import executor_at, run_all  # noqa: PLC0415

    try:
        with executor_at(address, jobs) as executor, _progress(len(cases)) as step:
            return run_all(cases, folder, executor, step)
    except KeyboardInterrupt:
        raise MmscandError("interrupted", hint=f"the same again goes on from {folder}") from None


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; what to call with each number of cases done."""
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("cases", total=total)
        yield lambda number: bar.advance(task, number)


def _write(
    records: "list[Record]", table: "Table", json_file: Path | None, picture: Path | None
) -> None:
    from mmscand.sim.judgement import losses, verdicts, worst_regrets  # noqa: PLC0415

    if json_file is not None:
        whole = {
            "worst_regret_pp": worst_regrets(table),
            "targets": [
                {"target": v.promise.name, "limit": v.promise.limit, "unit": v.promise.unit}
                | {"worst": v.worst, "where": v.where, "kept": v.kept, "of": v.cells}
                for v in verdicts(table)
            ],
            "losses": [
                {"where": x.where, "to": x.other, "latency_percent": x.percent}
                for x in losses(table)
            ],
            "cases": records,
        }
        write_text(json_file, json.dumps(whole, indent=1))
    if picture is not None:
        from mmscand.sim.chart import draw  # noqa: PLC0415

        with os_errors_named(picture):
            draw(table, picture)


def _report(table: "Table") -> None:
    from mmscand.cli.table import table as text  # noqa: PLC0415
    from mmscand.engine.registry import DEFAULT  # noqa: PLC0415
    from mmscand.sim.judgement import worst_regrets  # noqa: PLC0415

    policies = list(dict.fromkeys(cell.policy for cell in table))
    print("worst regret over all ratios and intensities, points of hit share")
    rows = [
        [name, *(round(row[p], 2) for p in policies)] for name, row in worst_regrets(table).items()
    ]
    print(text(["workload", *policies], rows))
    if DEFAULT in policies:
        _report_targets(table)
        _report_losses(table)


def _report_targets(table: "Table") -> None:
    from mmscand.cli.table import table as text  # noqa: PLC0415
    from mmscand.engine.registry import DEFAULT  # noqa: PLC0415
    from mmscand.sim.judgement import verdicts  # noqa: PLC0415

    print(f"\ntargets of {DEFAULT}, by its worst case")
    found = [
        [
            v.promise.name,
            round(v.worst, 3),
            f"{v.promise.limit:g} {v.promise.unit}",
            f"{v.kept} of {v.cells}",
            v.where,
        ]
        for v in verdicts(table)
    ]
    print(text(["target", "worst", "limit", "kept", "where"], found))


def _report_losses(table: "Table") -> None:
    from mmscand.cli.table import table as text  # noqa: PLC0415
    from mmscand.engine.registry import DEFAULT  # noqa: PLC0415
    from mmscand.sim.judgement import losses  # noqa: PLC0415

    lost = losses(table)
    print(f"\nwhere {DEFAULT} loses: {len(lost)} places with over 1 % more latency than another")
    rows = [
        [x.where, x.other, round(x.percent, 1), round(x.regret_pp, 2), round(x.other_regret_pp, 2)]
        for x in lost
    ]
    if rows:
        print(text(["where", "to", "latency %", "regret", "its regret"], rows))


def _ratios(text: str) -> list[int]:
    """The slow parts; UsageError unless each is 1:N."""
    parts = [name.partition(":") for name in names(text)]
    if not parts or any(one.strip() != "1" for one, _, _ in parts):
        raise UsageError(f"{text!r} is no ratio of fast to slow", hint="write 1:8, or 1:2,1:8")
    found = numbers(int, "ratios", ",".join(slow for _, _, slow in parts))
    if max(found) >= _FEWEST_PAGES:
        raise UsageError(f"1:{max(found)} is too far", hint=f"at most 1:{_FEWEST_PAGES - 1}")
    return found


def _require_extra() -> None:
    lacking = [name for name in ("matplotlib", "rich") if not importlib.util.find_spec(name)]
    if lacking:
        raise MachineCannot(
            f"comparing needs {', '.join(lacking)}, not installed here",
            hint="pip install 'mmscand[compare]'",
        )
