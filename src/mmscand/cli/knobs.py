"""`mmscand get`, `set` and `reset`: the knobs of a running daemon, or what they are by default."""

from typing import Annotated, Any

import typer

from mmscand.assignments import parse_assignments
from mmscand.cli.output import complain
from mmscand.cli.table import (
    JsonOption,
    SocketOption,
    client_for,
    pairs,
    print_answer,
    table,
)
from mmscand.settings import KNOBS, Settings, require_knobs

_COLUMNS = ("name", "value", "unit", "bounds", "default", "description")


def get(
    name: Annotated[str | None, typer.Argument(help="Show only this knob.")] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="As they are without a configuration; no daemon.")
    ] = False,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all knobs with value, unit, bounds, default and reason, or show one of them."""
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
        # Models for the wire: `mmscand run --no-control` imports this module and needs none.
        from mmscand.control.models import Knobs  # noqa: PLC0415

        return Knobs.of(KNOBS, Settings()).model_dump()

    def knob(self, name: str) -> dict[str, Any]:
        """The one of this name."""
        return next(knob for knob in self.knobs()["knobs"] if knob["name"] == name)


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
        complain(note)
