"""The table of commands. The module of a command is imported when that command is run."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mmscand.errors import MmscandError, UsageError

_ABOUT = "Find the hot pages in slow memory and move them to fast memory."
_COMMANDS = {
    "run": ("run:run", "Promote the hot pages of running processes until SIGTERM."),
    "check": ("check:check", "Tell whether `mmscand run` would work here, and why not."),
    "record": ("record:record", "Write which pages each pass found accessed."),
    "replay": ("replay:replay_", "Tell how a policy would have done on a recording."),
    "status": ("status:status", "Show how the daemon stands."),
    "ps": ("status:ps", "List the processes that are watched, or show one of them."),
    "get": ("knobs:get", "List all knobs with value, unit, bounds and reason."),
    "set": ("knobs:set_", "Change knobs, all together or none."),
    "reset": ("knobs:reset", "Put knobs back to the values of the configuration."),
    "enable": ("switch:enable", "Let the daemon scan (again)."),
    "disable": ("switch:disable", "Let the daemon sleep until it is enabled."),
    "reload": ("switch:reload", "Let the daemon read its configuration again."),
    "simulate": ("simulate:simulate", "Run one policy on one workload, and print its figures."),
    "compare": ("simulate:compare", "Put policies side by side on many workloads."),
    "lab": ("lab:lab", "Try mmscand in virtual machines that have two memory tiers."),
}
"""By name: module and function in this folder, and the line that `mmscand --help` has."""
_ALL_ARGUMENTS_PASSED_ON: Mapping[str, Any] = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": [],
}
_CONTEXT = {"lab": _ALL_ARGUMENTS_PASSED_ON}


class _Command(TyperCommand):
    """A name and a line of help, until it is run."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401 - Typer's own Context, which has no public name
        **extra: Any,  # noqa: ANN401
    ) -> typer.Context:
        """The context of the command itself, which parses its arguments."""
        assert self.name is not None
        context = _loaded(self.name).make_context(info_name, args, parent, **extra)
        return cast(typer.Context, context)


def _loaded(name: str) -> TyperCommand:
    """The command of that name, with its options; imports its module."""
    module, _, function = _COMMANDS[name][0].partition(":")
    app = _app()
    context = dict(_CONTEXT.get(name, {}))
    found = getattr(importlib.import_module(f"mmscand.cli.{module}"), function)
    app.command(name, context_settings=context)(found)
    return cast(TyperCommand, get_command(app))


def _app() -> typer.Typer:
    return typer.Typer(
        name="mmscand", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def _group() -> TyperGroup:
    app = _app()

    @app.callback(help=_ABOUT)
    def options(
        version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit."),
    ) -> None:
        """`mmscand.cli.app` answers --version; as `mmscand --version ps` it changes nothing."""

    group = cast(TyperGroup, get_command(app))
    for name, (_, line) in _COMMANDS.items():
        group.add_command(_Command(name, help=line))
    return group


def run_command(arguments: Sequence[str] | None) -> object:
    """Run the command that `arguments` (None: of the process) name; what it returns.

    UsageError for arguments that make no sense, KeyboardInterrupt after Ctrl-C.
    """
    try:
        return _group()(None if arguments is None else [*arguments], standalone_mode=False)
    except typer.TyperException as error:
        message = error.format_message()
        hint = " Try `mmscand --help`" if message == "Missing command." else ""
        kind = UsageError if error.exit_code == UsageError.exit_code else MmscandError
        raise kind(message + hint) from None
    except typer.Abort:
        raise KeyboardInterrupt from None
