"""The commands, and how a failure becomes one line and an exit code."""

import importlib.util
import sys

import typer

from mmscand import __version__
from mmscand.cli import check, knobs, record, replay, run, simulate, status, switch
from mmscand.cli.output import FULL, complain, give_up, open_standard_streams
from mmscand.errors import MmscandError, UsageError

_INTERRUPTED = 130
"""What Typer returns after Ctrl-C."""

app = typer.Typer(
    name="mmscand",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Find the hot pages in slow memory and move them to fast memory.",
)
app.command()(run.run)
app.command()(check.check)
app.command()(record.record)
app.command("replay")(replay.replay_)
for _command in (status.status, status.ps, knobs.get, knobs.reset):
    app.command()(_command)
app.command("set")(knobs.set_)
for _command in (switch.enable, switch.disable, switch.reload):
    app.command()(_command)
app.command()(simulate.simulate)
app.command()(simulate.compare)


@app.command(
    "lab",
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    },
)
def _lab(context: typer.Context) -> object:
    """Try mmscand in virtual machines that have two memory tiers (pip install 'mmscand[lab]')."""
    if importlib.util.find_spec("mmscand_lab") is None:
        raise UsageError("the lab is not installed", hint="pip install 'mmscand[lab]'")
    from mmscand_lab import command  # noqa: PLC0415 - the daemon's package has nothing of it

    return command.app(context.args, prog_name="mmscand lab", standalone_mode=False)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mmscand {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False,
        "--version",
        "-V",
        callback=_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
) -> None:
    """Find the hot pages in slow memory and move them to fast memory."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 failed, 2 usage, 3 this machine cannot."""
    open_standard_streams()
    try:
        result = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except MmscandError as error:
        return _fail(*error.lines, code=error.exit_code)
    except typer.TyperException as error:
        message = error.format_message()
        hint = " Try `mmscand --help`" if message == "Missing command." else ""
        return _fail(message + hint, code=error.exit_code)
    except BrokenPipeError:  # whoever read our output is gone
        give_up(sys.stdout)
        return 1
    except OSError as error:
        return _system_failed(error)
    except (KeyboardInterrupt, typer.Abort):
        result = _INTERRUPTED
    if result == _INTERRUPTED:
        return _fail("interrupted")
    return result if isinstance(result, int) else 0


def _system_failed(error: OSError) -> int:
    """A failed write to a file has its name; an error without a name is about our own output."""
    if error.errno in FULL and error.filename is None:
        give_up(sys.stdout)
        return _fail(f"standard output: {error.strerror}: free some room, or send it elsewhere")
    return _fail(f"{error}: this should not happen, please report it")


def _fail(*lines: str, code: int = 1) -> int:
    for line in lines:
        complain(line)
    return code
