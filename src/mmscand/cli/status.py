"""`mmscand status` and `mmscand ps`: how the daemon and its processes stand."""

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

_COLUMNS = {
    "PID": "pid",
    "NAME": "name",
    "LEVEL": "aggressiveness",
    "PERIOD ms": "scan_period_ms",
    "EXPOSURE ms": "exposure_ms",
    "SIZE MiB": "scan_size_mb",
    "PASSES": "passes",
    "CHANGES": "changes",
    "USEFUL": "useful_pages",
    "FAILED %": "failed_percent",
    "NODE": "target_node",
    "EFFORT": "effort",
    "RULE": "rule",
}


def status(socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Show how the daemon stands. Pages are 4 KiB."""
    answer = client_for(socket).status()
    print_answer(answer, pairs(_flat(answer)), as_json=as_json)


def ps(
    pid: Annotated[int | None, typer.Argument(help="Show all of this process.")] = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the processes that are watched, or show one of them. Pages are 4 KiB."""
    client = client_for(socket)
    if pid is not None:
        answer = client.process(pid)
        print_answer(answer, pairs(_flat(answer)), as_json=as_json)
        return
    answer = client.processes()
    rows = [[each[key] for key in _COLUMNS.values()] for each in answer["processes"]]
    print_answer(answer, table(list(_COLUMNS), rows), as_json=as_json)


def _flat(answer: dict[str, Any]) -> list[tuple[str, object]]:
    """Sums below their heading, each in a line of its own."""
    rows: list[tuple[str, object]] = []
    for name, value in answer.items():
        if isinstance(value, dict):
            rows += [(f"{name}.{key}", _words(each)) for key, each in sorted(value.items())]
        else:
            rows.append((name, value))
    return rows


def _words(value: object) -> object:
    """A histogram as its numbers in a row."""
    return " ".join(map(str, value)) if isinstance(value, list) else value
