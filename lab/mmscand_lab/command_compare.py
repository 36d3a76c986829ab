"""`mmscand lab compare`: the kernel's own tiering, DAMON and mmscand beside each other.

What it needs is imported inside the command: see `command`.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmscand.assignments import parse_assignments
from mmscand.cli.files import os_errors_named, require_writable, write_text
from mmscand.cli.names import known_names, names, numbers
from mmscand.errors import MmscandError, UsageError
from mmscand.settings import Settings, changed

if TYPE_CHECKING:
    from mmscand_lab.standings import Run

_FOLDER = Path("out") / "lab-compare"


def compare(
    workloads: Annotated[
        str, typer.Option(help="Names with commas: gups, zipf, ...; all if left out.")
    ] = "",
    policies: Annotated[
        str,
        typer.Option(
            help="Names with commas: damon, mmscand, ..., and mmscand:KNOB=VALUE for the daemon"
            " with another setting; all named ones if left out."
        ),
    ] = "",
    seeds: Annotated[str, typer.Option(help="Medians are taken over these.")] = "1,2,3",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write all figures here.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw what was up over time here.")
    ] = None,
    results: Annotated[
        Path, typer.Option(help="Folder for all recordings; runs that it has are kept.")
    ] = _FOLDER,
) -> None:
    """Compare the kernel's own tiering, DAMON and mmscand: same guest, workloads and seeds.

    One to three minutes a run. The same again goes on after an interruption.
    """
    from mmscand_lab.command import require_extra  # noqa: PLC0415

    require_extra()
    from rich.console import Console  # noqa: PLC0415

    from mmscand_lab.experiment import run_contest  # noqa: PLC0415
    from mmscand_lab.loads import LOADS  # noqa: PLC0415
    from mmscand_lab.policies import POLICIES  # noqa: PLC0415
    from mmscand_lab.screen import progress_shown  # noqa: PLC0415
    from mmscand_lab.standings import medians  # noqa: PLC0415
    from mmscand_lab.standings_table import report  # noqa: PLC0415

    loads = known_names("workload", workloads, LOADS)
    chosen = names(policies) or list(POLICIES)
    for policy in chosen:
        _require_policy(policy)
    wanted = numbers(int, "seeds", seeds)
    for path in (results / "any", *filter(None, [json_file, picture])):
        require_writable(path)
    try:
        with os_errors_named(results), progress_shown(Console()) as progress:
            runs = run_contest(results, loads, chosen, wanted, progress=progress)
    except KeyboardInterrupt:
        raise MmscandError("interrupted", hint=f"the same again goes on from {results}") from None
    runs = [
        run for run in runs if run.load in loads and run.policy in chosen and run.seed in wanted
    ]
    _write(runs, results, json_file, picture)
    print(report(medians(runs), {name: load.summary for name, load in LOADS.items()}))


def _require_policy(name: str) -> None:
    """UsageError for one that is not known, or a knob that the daemon would not take as it is."""
    from mmscand_lab.policies import knobs_of, policy_named  # noqa: PLC0415
    from mmscand_lab.programs import LAB_KNOBS  # noqa: PLC0415

    policy_named(name)
    clamped = changed(Settings(), parse_assignments([*LAB_KNOBS, *knobs_of(name)])).clamped
    if clamped:
        raise UsageError(f"{name}: {clamped[0]}", hint="set these limits too, before it")


def _write(
    runs: "Sequence[Run]", results: Path, json_file: Path | None, picture: Path | None
) -> None:
    from mmscand_lab.contest_figure import draw  # noqa: PLC0415

    if json_file is not None:
        write_text(json_file, json.dumps(_whole(runs), indent=1))
    if picture is not None:
        with os_errors_named(picture):
            draw(results, runs, picture)


def _whole(runs: "Sequence[Run]") -> dict[str, object]:
    """All that is known, and the command that made it."""
    from mmscand_lab.standings import losses, medians  # noqa: PLC0415

    standings = medians(runs)
    return {
        "command": shlex.join(["mmscand", *sys.argv[1:]]),
        "medians": standings,
        "losses": [asdict(loss) for loss in losses(standings)],
        "runs": [asdict(run) for run in runs],
    }
