"""`mmscand lab`: see it work in a virtual machine with two memory tiers, on any machine.

What a command needs is imported inside it: help is quick, and a package that is missing is named in
one line.
"""

import importlib.util
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmscand.cli.files import os_errors_named, require_writable, write_text
from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand_lab.command_compare import compare

if TYPE_CHECKING:
    from rich.console import Console

    from mmscand_lab.result import Result
    from mmscand_lab.scenario import Scenario

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Try mmscand in a virtual machine with fast and slow memory.",
)


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Try mmscand in a virtual machine with fast and slow memory."""
    if context.invoked_subcommand is None:
        print(context.get_help())


_EXTRA = {"virtme_ng": "virtme-ng", "matplotlib": "", "rich": "", "psutil": "", "textual": ""}
"""Modules of the optional extra `lab`, with the package's name where it is another."""

_DEMO = """\
A program uses a random tenth of 512 MiB, all on slow memory. mmscand finds that tenth and moves it.
This runs in a virtual machine: real kernel, real processes, real moves. Without KVM the processor
is emulated, and slow memory is slow by a model of its latency and bandwidth (90 and 250 ns, as DRAM
and CXL memory): shares of throughput mean something there, seconds do not."""

_POSTGRES_FOLDER = Path("out") / "postgres"
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Also write the figures and verdicts here.")
]
PictureOption = Annotated[
    Path | None, typer.Option(help="Write the picture here.  [default: RESULTS/picture.png]")
]
ResultsOption = Annotated[
    Path | None, typer.Option(help="Folder for all recordings.  [default: out/demo-SCENARIO]")
]


@app.command()
def demo(
    json_file: JsonOption = None, picture: PictureOption = None, results: ResultsOption = None
) -> None:
    """Show hot pages move to fast memory, in about a minute. Exit code 1 when they do not.

    On a terminal `mmscand top` shows the daemon while it runs; q ends it, the demo goes on. It ends
    with the heat map of the program, and how much fast memory is enough for it.
    """
    require_extra()
    _report_real_tiers()
    print(_DEMO)
    _run("random", json_file, picture, results, views=True)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="One of `mmscand lab list`.")],
    json_file: JsonOption = None,
    picture: PictureOption = None,
    results: ResultsOption = None,
) -> None:
    """Run one scenario and judge it. Exit code 1 when its main promise fails."""
    require_extra()
    from mmscand_lab.scenario import BUSY_SERVER  # noqa: PLC0415

    if scenario == BUSY_SERVER:
        from mmscand_lab.command_busy import run_and_judge  # noqa: PLC0415

        return run_and_judge(json_file, picture, results)
    _run(scenario, json_file, picture, results)


@app.command()
def postgres(
    shared_memory: Annotated[
        bool, typer.Option(help="Let the daemon promote shared memory; off by default elsewhere.")
    ] = True,
    json_file: JsonOption = None,
    results: Annotated[
        Path | None, typer.Option(help=f"Folder for all recordings.  [default: {_POSTGRES_FOLDER}]")
    ] = None,
) -> None:
    """Show that shared buffers that clients read are distinguished from those that nobody reads.

    Exit code 1 when under 95 % of the pages read, or over 1 % of the others, are promoted.
    """
    require_extra()
    from mmscand_lab.experiment import run_postgres  # noqa: PLC0415
    from mmscand_lab.screen import progress_shown  # noqa: PLC0415

    folder = results or _POSTGRES_FOLDER
    with os_errors_named(folder), progress_shown(_console()) as progress:
        found = run_postgres(folder, shared_memory=shared_memory, progress=progress)
    if json_file is not None:
        write_text(json_file, json.dumps(found, indent=2))
    for name, value in found.items():
        print(f"{name:22} {value}")
    up = found["hot_promoted_share"] >= 0.95 and found["cold_promoted_share"] <= 0.01
    if shared_memory and not up:
        raise MmscandError("short of the promise", hint="look at the events in the results folder")


app.command()(compare)


@app.command(name="list")
def list_scenarios() -> None:
    """List the scenarios."""
    require_extra()
    from mmscand_lab.scenario import SCENARIOS  # noqa: PLC0415
    from mmscand_lab.screen import scenario_table  # noqa: PLC0415

    _console().print(scenario_table(list(SCENARIOS.values())))


@app.command()
def shell() -> None:
    """Open a root shell in the virtual machine; this folder is writable there."""
    require_extra()
    if not sys.stdin.isatty():
        raise UsageError("`mmscand lab shell` needs a terminal", hint="run it from one")
    from mmscand_lab import guest, kernel  # noqa: PLC0415
    from mmscand_lab.scenario import QUIET_GUEST  # noqa: PLC0415

    kernel.ensure_packages()
    print("node 0 is fast, node 1 is slow; leave with exit", flush=True)
    status = guest.shell(QUIET_GUEST, kernel=kernel.fetch_kernel(), rw_dirs=[Path.cwd()])
    raise typer.Exit(status)


def _run(
    name: str,
    json_file: Path | None,
    picture: Path | None,
    results: Path | None,
    *,
    views: bool = False,
) -> None:
    from mmscand_lab.experiment import run_scenario  # noqa: PLC0415
    from mmscand_lab.scenario import scenario_named  # noqa: PLC0415
    from mmscand_lab.screen import progress_or_top  # noqa: PLC0415

    scenario, console = scenario_named(name), _console()
    folder = results or Path("out") / f"demo-{name}"
    drawing = picture or folder / "picture.png"
    with os_errors_named(folder):
        # Before the minute that the experiment takes, not after it.
        for path in (folder / "any", drawing, *filter(None, [json_file])):
            require_writable(path)
        with progress_or_top(console, top=views) as (progress, far):
            result = run_scenario(scenario, folder, views=views, far=far, progress=progress)
        _write(scenario, result, folder, json_file, drawing)
    _report(console, scenario, result)
    _show_views(folder)
    for what, place in (("picture", drawing), ("figures", json_file), ("recordings", folder)):
        if place is not None:
            print(f"{what + ':':12}{place}")
    _require_promise(scenario, result, folder)


def _write(
    scenario: "Scenario", result: "Result", folder: Path, json_file: Path | None, picture: Path
) -> None:
    from mmscand_lab.figure import draw  # noqa: PLC0415
    from mmscand_lab.result import Recording  # noqa: PLC0415
    from mmscand_lab.verdict import as_json  # noqa: PLC0415

    with os_errors_named(picture):
        draw(scenario, result, Recording.load(folder), picture)
    if json_file is not None:
        write_text(json_file, json.dumps(as_json(scenario, result), indent=2))


def _report(console: "Console", scenario: "Scenario", result: "Result") -> None:
    from mmscand_lab.screen import verdict_table  # noqa: PLC0415
    from mmscand_lab.verdict import rows  # noqa: PLC0415

    title = f"{scenario.name}: {scenario.summary}"
    console.print(verdict_table(title, rows(scenario, result)))
    if (slowed := result["tier_speeds"]) is not None:
        print(
            f"emulated: a core is {slowed['factor']:.0f} times slower here, and so is memory; "
            "all-fast is the same program with all memory as fast as the top tier"
        )
    elif result["accelerator"] == "emulation":
        print("emulated: both tiers are equally fast here, so no speed is judged")


def _show_views(folder: Path) -> None:
    from mmscand_lab.views import read_views  # noqa: PLC0415

    if seen := read_views(folder):
        print("\nmmscand heat and mmscand size of the program, before the daemon was stopped:\n")
        print(seen)


def _require_promise(scenario: "Scenario", result: "Result", folder: Path) -> None:
    from mmscand_lab.kernel import LabError  # noqa: PLC0415
    from mmscand_lab.verdict import main_promise_kept  # noqa: PLC0415

    if not main_promise_kept(scenario, result):
        raise LabError(
            f"{result['hot_promoted_share']:.3%} of the hot pages are in the top tier, "
            f"{scenario.hot_target:.1%} were promised",
            hint=f"the daemon's events are in {folder}",
        )


def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415

    return Console()


def require_extra() -> None:
    """MachineCannot when the optional extra is not installed."""
    lacking = [pip or name for name, pip in _EXTRA.items() if not importlib.util.find_spec(name)]
    if lacking:
        raise MachineCannot(
            f"the lab needs {', '.join(lacking)}, not installed here",
            hint="pip install 'mmscand[lab]'",
        )


def _report_real_tiers() -> None:
    from mmscand.linux.topology import NodeReader, read_topology  # noqa: PLC0415

    with suppress(MmscandError):  # a kernel without NUMA has no tiers to report
        topology = read_topology(NodeReader())
        if topology.fast and topology.slow:
            print("this machine has fast and slow memory: for the real thing, run")
            print("  mmscand check\n  mmscand run\nhere comes the demo, in a virtual machine")
