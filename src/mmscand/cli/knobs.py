"""`mmscand get`, `set` and `reset`: the knobs of a running daemon, or what they are by default."""

from pathlib import Path
from typing import Any

import click

from mmscand.assignments import parse_assignments
from mmscand.cli.options import json_option, socket_option
from mmscand.cli.output import complain
from mmscand.cli.table import client_for, pairs, print_answer, table
from mmscand.control.knob_snapshots import knobs_object
from mmscand.settings import KNOBS, Settings, require_knobs

_COLUMNS = ("name", "value", "unit", "bounds", "default", "description")


def _names(context: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """For the completion of a shell."""
    return [name for name in KNOBS if name.startswith(start)]


def _assigned(context: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    name, equals, value = start.partition("=")
    if not equals:
        return [f"{each}=" for each in _names(context, parameter, start)]
    knob = KNOBS.get(name)
    choices = () if knob is None else knob.choices or (("true", "false") * (knob.kind is bool))
    return [f"{name}={choice}" for choice in choices if choice.startswith(value)]


@click.command()
@click.argument("name", required=False, shell_complete=_names)
@click.option("--defaults", is_flag=True, help="As they are without a configuration; no daemon.")
@socket_option
@json_option
def get(name: str | None, defaults: bool, socket: Path | None, as_json: bool) -> None:
    """List all knobs with value, unit, bounds, default and reason, or show the one of NAME."""
    source = _Defaults() if defaults else client_for(socket)
    if name is not None:
        require_knobs([name])  # here already: '.' would be another path
        answer = source.knob(name)
        text = pairs([(key, answer[key]) for key in _COLUMNS])
    else:
        answer = source.knobs()
        rows = [[knob[key] for key in _COLUMNS] for knob in answer["knobs"]]
        text = table([key.upper() for key in _COLUMNS], rows)
    print_answer(answer, text, as_json=as_json)


class _Defaults:
    """Answers as a daemon does that nobody has configured."""

    def knobs(self) -> dict[str, Any]:
        """All of them."""
        return knobs_object(Settings())

    def knob(self, name: str) -> dict[str, Any]:
        """The one of this name."""
        return next(knob for knob in self.knobs()["knobs"] if knob["name"] == name)


@click.command("set")
@click.argument(
    "assignments", metavar="NAME=VALUE...", nargs=-1, required=True, shell_complete=_assigned
)
@socket_option
@json_option
def set_(assignments: tuple[str, ...], socket: Path | None, as_json: bool) -> None:
    """Change knobs, like scan_period_ms=500, all together or none.

    They are in force when this returns.
    """
    _report(client_for(socket).change(parse_assignments(assignments)), as_json)


@click.command()
@click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=_names)
@socket_option
@json_option
def reset(names: tuple[str, ...], socket: Path | None, as_json: bool) -> None:
    """Put these knobs, or all, back to the values of the configuration, all together or none."""
    _report(client_for(socket).reset(names), as_json)


def _report(answer: dict[str, Any], as_json: bool) -> None:
    """The values in force; what was clamped goes to standard error, so that nobody misses it."""
    print_answer(answer, pairs(list(answer["values"].items())), as_json=as_json)
    for note in answer["clamped"]:
        complain(note)
