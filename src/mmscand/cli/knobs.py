"""`mmscand get`, `set` and `reset`: the knobs of a running daemon."""

import sys
from typing import Annotated, Any

import typer

from mmscand.cli.table import (
    JsonOption,
    SocketOption,
    client_for,
    pairs,
    print_answer,
    table,
)
from mmscand.config import parse_assignments, require_knobs

_COLUMNS = ("name", "value", "unit", "bounds", "default", "description")


def get(
    name: Annotated[str | None, typer.Argument(help="Show only this knob.")] = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all knobs with value, unit, bounds, default and reason, or show one of them."""
    client = client_for(socket)
    if name is not None:
        require_knobs([name])  # here already: '.' would be another path
        answer = client.knob(name)
        text = pairs([(key, answer[key]) for key in _COLUMNS])
    else:
        answer = client.knobs()
        rows = [[knob[key] for key in _COLUMNS] for knob in answer["knobs"]]
        text = table([key.upper() for key in _COLUMNS], rows)
    print_answer(answer, text, as_json=as_json)


def set_(
    assignments: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="Like scan_period_ms=500.")
    ],
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change knobs, all together or none; they are in force when this returns."""
    _report(client_for(socket).change(parse_assignments(assignments)), as_json)


def reset(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="All knobs when left out.")
    ] = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put knobs back to the values of the configuration, all together or none."""
    _report(client_for(socket).reset(names or ()), as_json)


def _report(answer: dict[str, Any], as_json: bool) -> None:
    """The values in force; what was clamped goes to standard error, so that nobody misses it."""
    print_answer(answer, pairs(list(answer["values"].items())), as_json=as_json)
    for note in answer["clamped"]:
        print(f"mmscand: {note}", file=sys.stderr)
