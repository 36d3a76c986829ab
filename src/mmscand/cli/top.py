"""`mmscand top`: what the daemon does, as a screen that goes on."""

import importlib.util
import itertools
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmscand.cli.options import PATH, socket_option
from mmscand.cli.table import client_for
from mmscand.errors import MachineCannot, UsageError

if TYPE_CHECKING:
    from mmscand.top.tables import Source, View


@click.command()
@click.option("--from", "file", type=PATH, help="Show a recording, pass by pass.")
@click.option("--at", help="Show the history from this time on, as '3m ago' or yesterday.")
@click.option("--file", "history", type=PATH, help="The file of mmscand-api, for --at.")
@click.option("--every", type=click.FloatRange(min=0.1), default=1.0, help="Seconds between looks.")
@click.option("--plain", is_flag=True, help="Lines in place of a screen.")
@click.option("-n", "looks", type=click.IntRange(min=1), help="With --plain: end after this many.")
@click.option(
    "--view",
    type=click.Choice(["processes", "cgroups", "events"]),
    default="processes",
    help="With --plain: which rows.",
)
@socket_option
def top(
    file: Path | None,
    at: str | None,
    history: Path | None,
    every: float,
    plain: bool,
    looks: int | None,
    view: "View",
    socket: Path | None,
) -> None:
    """Show tiers, processes, cgroups, mappings and events, until q is pressed."""
    with ExitStack() as stack:
        source = _source(stack, file, at, history, socket)
        source.frame(view, None)  # what cannot be shown is said before the screen is taken
        if plain:
            _print(source, view, every, looks or (1 if source.past else None))
            return
        _require_screen()
        from mmscand.top.app import TopApp  # noqa: PLC0415 - Textual

        TopApp(source, every).run_on_terminal()


def _source(
    stack: ExitStack, file: Path | None, at: str | None, history: Path | None, socket: Path | None
) -> "Source":
    if file is not None and at is not None:
        raise UsageError("--from and --at are two things", hint="leave one out")
    if file is not None:
        from mmscand.record.file import Recording  # noqa: PLC0415
        from mmscand.top.recorded import Recorded  # noqa: PLC0415

        return Recorded(Recording(file), file.name)
    if at is not None:
        from mmscand.history.file import DEFAULT_HISTORY  # noqa: PLC0415
        from mmscand.history.reader import reading  # noqa: PLC0415
        from mmscand.top.past import Past  # noqa: PLC0415

        return Past(stack.enter_context(reading(history or DEFAULT_HISTORY)), at)
    from mmscand.top.live import Live  # noqa: PLC0415

    return Live(client_for(socket))


def _require_screen() -> None:
    if not importlib.util.find_spec("textual"):
        raise MachineCannot(
            "the screen needs textual, not installed here",
            hint="pip install 'mmscand[top]', or use --plain",
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("this is no terminal", hint="use --plain")


def _print(source: "Source", view: "View", every: float, looks: int | None) -> None:
    from mmscand.top.plain import lines  # noqa: PLC0415

    for look in itertools.count(1):
        print("\n".join(lines(source.frame(view, None))), flush=True)
        if look == looks:
            return
        print()
        time.sleep(every)
