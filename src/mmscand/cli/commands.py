"""The table of commands. The module of a command is imported when that command is run."""

import importlib
import os
from typing import Any

import click

from mmscand.errors import MmscandError, UsageError

COMMANDS = {
    "run": ("run:run", "Promote the hot pages of running processes until SIGTERM."),
    "check": ("check:check", "Say whether `mmscand run` would work here, and why not."),
    "config": (
        "config:config",
        "Test a configuration, compare it with the daemon's, or its schema.",
    ),
    "record": ("record:record", "Write which pages each pass found accessed."),
    "export": ("export:export", "Write a recording as a table for data frames."),
    "replay": ("replay:replay_", "Say how a policy would have done on a recording."),
    "heat": ("heat:heat", "Show which memory of a process is hot, address over time."),
    "status": ("status:status", "Show how the daemon stands."),
    "ps": ("status:ps", "List the processes that are watched, or show one of them."),
    "why": ("why:why", "Show why memory of a process is on its tier."),
    "history": ("history:history", "Show the benefit, changes and failures of a period."),
    "size": ("size:size_", "Show the share of accesses that fast memory of each size would serve."),
    "top": ("top:top", "Show what the daemon does, as a screen that goes on."),
    "get": ("knobs:get", "List all knobs with value, unit, bounds and reason."),
    "set": ("knobs:set_", "Change knobs, all together or none."),
    "reset": ("knobs:reset", "Put knobs back to the values of the configuration."),
    "enable": ("switch:enable", "Let the daemon scan (again)."),
    "disable": ("switch:disable", "Let the daemon sleep until it is enabled."),
    "reload": ("switch:reload", "Let the daemon read its configuration again."),
    "install-service": (
        "install_service:install_service",
        "Put units, configuration, man pages and completions in their places.",
    ),
    "node-labels": (
        "node_labels:node_labels",
        "Print facts about this machine as labels of a Kubernetes node.",
    ),
    "simulate": ("simulate:simulate", "Run one policy on one workload, and print its figures."),
    "compare": ("simulate:compare", "Put policies side by side on many workloads."),
    "lab": ("lab:lab", "Try mmscand in virtual machines that have two memory tiers."),
}
"""By name: module and function in this folder, and the line that `mmscand --help` has."""


class _Command(click.Command):
    """A name and a line of help, until it is run."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - as click has it
    ) -> click.Context:
        """The context of the command itself, which parses its arguments."""
        module, _, function = COMMANDS[str(self.name)][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"mmscand.cli.{module}"), function)
        return command.make_context(info_name, args, parent, **extra)


class _InOrder(click.Group):
    """Lists its commands as the table has them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names."""
        return list(self.commands)


@click.group(
    cls=_InOrder,
    no_args_is_help=False,
    commands={name: _Command(name, help=line) for name, (_, line) in COMMANDS.items()},
)
@click.option("--version", "-V", is_flag=True, help="Print the version and exit.")
def group(version: bool) -> None:
    """Find the hot pages in slow memory and move them to fast memory."""
    # `mmscand.cli.app` answers --version before click is imported.


def run_command(arguments: list[str]) -> object:
    """Run the command that `arguments` name; what it returns."""
    return called("mmscand", group, arguments)


def called(program: str, command: click.Command, arguments: list[str]) -> object:
    """Call a command of click, or complete its words for a shell; what it returns.

    UsageError for arguments that make no sense, KeyboardInterrupt after Ctrl-C.
    """
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    if asked := os.environ.get(variable):  # only a shell's completion sets it, when Tab is pressed
        from click.shell_completion import shell_complete  # noqa: PLC0415

        return shell_complete(command, {}, program, variable, asked)
    try:
        with command.make_context(program, list(arguments), show_default=True) as context:
            return command.invoke(context)
    except click.exceptions.Exit as end:  # --help
        return end.exit_code
    except click.ClickException as error:
        message = error.format_message()
        hint = " Try `mmscand --help`" if message == "Missing command." else ""
        kind = UsageError if error.exit_code == UsageError.exit_code else MmscandError
        raise kind(message + hint) from None
