"""`mmscand heat`: a picture of which memory is hot, address over time."""

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmscand.cli.files import os_errors_named, require_writable, write_text
from mmscand.cli.options import PATH, address_option, socket_option
from mmscand.cli.table import client_for
from mmscand.cli.terminal import terminal_of
from mmscand.errors import MachineCannot, UsageError
from mmscand.shown import shown

if TYPE_CHECKING:
    from mmscand.heatmap.model import Gathered

_COLOURS = ("auto", "truecolor", "256", "16", "none")


@click.command()
@click.argument("pid", type=int, required=False)
@click.option(
    "--from",
    "files",
    type=PATH,
    multiple=True,
    help="Draw this recording, not what the daemon knows; more than once: of several machines.",
)
@address_option
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=30.0, help="Ask the daemon for so long."
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=1.0,
    help="Seconds from one look to the next.",
)
@click.option(
    "--by",
    type=click.Choice(["mapping", "process", "cgroup", "file"]),
    default="mapping",
    help="What rows are put together by.",
)
@click.option(
    "--scale",
    type=click.Choice(["rank", "linear"]),
    default="rank",
    help="Shades by the order of heat, or in proportion to it.",
)
@click.option("--png", type=PATH, help="Write a picture to this file (extra `compare`).")
@click.option("--svg", type=PATH, help="Write a picture to this file.")
@click.option("--html", type=PATH, help="Write a page to this file that needs no network.")
@click.option("--names/--no-names", default=True, help="Leave out what runs, for sharing.")
@click.option("--color", "--colour", type=click.Choice(_COLOURS), default="auto")
@socket_option
def heat(
    pid: int | None,
    files: tuple[Path, ...],
    address: str | None,
    seconds: float,
    every: float,
    by: Any,  # noqa: ANN401 - one of the choices
    scale: Any,  # noqa: ANN401
    png: Path | None,
    svg: Path | None,
    html: Path | None,
    names: bool,
    color: str,
    socket: Path | None,
) -> None:
    """Show which memory of process PID is hot: rows are its mappings, columns are time.

    Asks the running daemon, or reads what `mmscand record` wrote (--from FILE, needs no root).
    Without --png, --svg and --html the picture is drawn here.
    """
    for path in filter(None, (png, svg, html)):
        require_writable(path)
    if png is not None:
        _require_extra()
    if files:
        found = _recorded(files, pid, by, address)
    else:
        found = _watched(pid, by, seconds, every, socket)
    if not names:
        found = found.without_names(by)
    _write(found, scale, png, svg, html)
    for path in filter(None, (png, svg, html)):
        print(shown(f"wrote {path}"))
    if not (png or svg or html):
        from mmscand.heatmap.terminal import lines_of  # noqa: PLC0415

        print("\n".join(lines_of(found, scale, terminal_of(sys.stdout, os.environ, color))))


def _recorded(
    files: tuple[Path, ...],
    pid: int | None,
    by: Any,  # noqa: ANN401
    address: str | None,
) -> "Gathered":
    if len(files) == 1 and by != "file" and address is None:
        from mmscand.heatmap.recorded import gathered  # noqa: PLC0415 - after mistakes in options
        from mmscand.record.file import Recording  # noqa: PLC0415

        return gathered(Recording(files[0]), by=by, pid=pid)
    if pid is not None:
        raise UsageError(
            "a PID is of one machine", hint="leave it out, or give one recording without --address"
        )
    from mmscand.heatmap.fleet import fleet  # noqa: PLC0415
    from mmscand.sim.comparison import executor_at  # noqa: PLC0415

    with executor_at(address, min(len(files), os.cpu_count() or 1)) as executor:
        return fleet([file.absolute() for file in files], by, executor)


def _watched(
    pid: int | None, by: str, seconds: float, every: float, socket: Path | None
) -> "Gathered":
    if pid is None:
        raise UsageError(
            "no process is named",
            hint="give a PID (`mmscand ps` lists them), or a recording by --from FILE",
        )
    if by != "mapping":
        raise UsageError(
            f"--by {by} is for several processes", hint="give a recording of them by --from FILE"
        )
    from mmscand.heatmap.live import watched  # noqa: PLC0415

    client = client_for(socket)
    return watched(lambda: client.heat(pid), seconds, every, _wait)


def _wait(seconds: float) -> bool:
    """Whether to go on: after Ctrl-C what there is so far is drawn."""
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return False
    return True


def _write(
    found: "Gathered",
    scale: Any,  # noqa: ANN401
    png: Path | None,
    svg: Path | None,
    html: Path | None,
) -> None:
    if png is not None:
        from mmscand.heatmap.png import write_png  # noqa: PLC0415 - seconds

        with os_errors_named(png):
            write_png(found, scale, png)
    if svg is not None:
        from mmscand.heatmap.svg import svg_of  # noqa: PLC0415

        write_text(svg, svg_of(found, scale))
    if html is not None:
        from mmscand.heatmap.html import html_of  # noqa: PLC0415

        write_text(html, html_of(found, scale))


def _require_extra() -> None:
    if not importlib.util.find_spec("matplotlib"):
        raise MachineCannot(
            "--png needs matplotlib, not installed here",
            hint="pip install 'mmscand[compare]', or take --svg, which needs nothing",
        )
