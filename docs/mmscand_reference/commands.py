"""Commands and exit codes, from click's own description and from the classes of errors."""

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from mmscand.api.command import api
from mmscand.cli.commands import COMMANDS
from mmscand.cli.health import EXIT_CODES
from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand_lab.command import app
from mmscand_reference.text import code, one_line, table


def commands() -> Iterator[str]:
    """The page of all commands."""
    yield "# Commands\n"
    yield (
        "`mmscand --help` and `mmscand COMMAND --help` print the same. `mmscand --version` prints "
        "the version.\n"
    )
    yield from table(
        ("command", "what it does"),
        ((f"[`mmscand {name}`](#mmscand-{name})", line) for name, (_, line) in COMMANDS.items()),
    )
    for name in COMMANDS:
        if name == "lab":
            yield from _lab()
        else:
            yield from _command(f"mmscand {name}", command_of(name))
    yield from _command("mmscand-api", api)


def command_of(name: str) -> Any:  # noqa: ANN401
    """click's command of this name."""
    module, _, function = COMMANDS[name][0].partition(":")
    return getattr(importlib.import_module(f"mmscand.cli.{module}"), function)


def _lab() -> Iterator[str]:
    group: Any = typer.main.get_command(app)
    yield "## mmscand lab\n"
    yield one_line(group.help) + "\n"
    for name, command in group.commands.items():
        yield from _command(f"mmscand lab {name}", command, "###")


def _command(name: str, command: Any, level: str = "##") -> Iterator[str]:  # noqa: ANN401
    """`command` is click's, or typer's, which has the same attributes."""
    yield f"{level} {name}\n"
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    words = [name, *(["[OPTIONS]"] if options else []), *map(metavar, arguments)]
    if inside := getattr(command, "commands", {}):
        words.append("|".join(inside))
    yield f"```text\n{' '.join(words)}\n```\n"
    for paragraph in (command.help or "").split("\n\n"):
        yield one_line(paragraph) + "\n"
    if options:
        yield from table(("option", "meaning", "default"), map(option_row, options))
    for part, inner in getattr(command, "commands", {}).items():
        yield from _command(f"{name} {part}", inner, level + "#")


def metavar(argument: Any) -> str:  # noqa: ANN401
    """An argument, as a line of usage has it."""
    words = argument.metavar or argument.name.upper()
    if argument.nargs == -1 and not words.endswith(("...", "...]")):
        words += "..."
    return words if argument.required or words.startswith("[") else f"[{words}]"


def option_row(option: Any) -> tuple[str, str, str]:  # noqa: ANN401
    """Its names, what it means, and its default; '' for none."""
    names = ", ".join(map(code, [*option.opts, *option.secondary_opts]))
    plain = isinstance(option.default, str | int | float | Path)
    given = str(option.default) if plain and not isinstance(option.default, bool) else ""
    choices = ", ".join(map(code, getattr(getattr(option, "type", None), "choices", ())))
    meaning = [option.help or "", f"One of {choices}." if choices else ""]
    return names, " ".join(filter(None, meaning)), code(given)


def exit_codes() -> Iterator[str]:
    """The page of exit codes."""
    yield "# Exit codes\n"
    yield "Each failure is one line on standard error: what is wrong, and what to do.\n"
    kinds = (MmscandError, UsageError, MachineCannot)
    rows = [(str(kind.exit_code), one_line(kind.__doc__ or "")) for kind in kinds]
    interrupted = ("130", "Interrupted by Ctrl-C: 128 and the number of SIGINT.")
    yield from table(("code", "meaning"), [("0", "Done."), *rows, interrupted])
    yield "## Kinds of errors\n"
    yield from table(("code", "error", "meaning"), _errors(MmscandError.__subclasses__()))
    yield "## `mmscand status --check`\n"
    yield "One line for a monitoring system; it begins with the word.\n"
    yield from table(
        ("code", "word"), ((str(number), code(word)) for word, number in EXIT_CODES.items())
    )


def _errors(kinds: Iterable[type[MmscandError]]) -> Iterator[tuple[str, str, str]]:
    for kind in kinds:
        if kind.__module__ == MmscandError.__module__:
            yield str(kind.exit_code), code(kind.__name__), one_line(kind.__doc__ or "")
            yield from _errors(kind.__subclasses__())
