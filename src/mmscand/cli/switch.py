"""`mmscand enable`, `disable` and `reload`."""

from pathlib import Path
from typing import Any

import click

from mmscand.cli.options import json_option, socket_option
from mmscand.cli.table import client_for, print_answer
from mmscand.shown import shown


@click.command()
@socket_option
@json_option
def enable(socket: Path | None, as_json: bool) -> None:
    """Let the daemon scan (again)."""
    _report(client_for(socket).enable(), as_json)


@click.command()
@socket_option
@json_option
def disable(socket: Path | None, as_json: bool) -> None:
    """Let the daemon sleep until it is enabled; what is queued is still moved."""
    _report(client_for(socket).disable(), as_json)


@click.command()
@socket_option
@json_option
def reload(socket: Path | None, as_json: bool) -> None:
    """Let the daemon read its configuration again. Knobs set at run time stay until `reset`."""
    answer = client_for(socket).reload()
    text = "\n".join(map(shown, answer["changed"])) or "nothing has changed"
    print_answer(answer, text, as_json=as_json)


def _report(answer: dict[str, Any], as_json: bool) -> None:
    text = "scanning is on" if answer["enabled"] else "scanning is off"
    print_answer(answer, text, as_json=as_json)
