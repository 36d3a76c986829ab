"""`mmscand status` and `mmscand ps`: how the daemon and its processes stand."""

from pathlib import Path
from typing import Any

import click

from mmscand.cli.options import json_option, socket_option
from mmscand.cli.table import client_for, pairs, print_answer, table
from mmscand.shown import shown

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


@click.command()
@socket_option
@json_option
def status(socket: Path | None, as_json: bool) -> None:
    """Show how the daemon stands. Pages are 4 KiB."""
    answer = client_for(socket).status()
    lines = [pairs(_flat(answer)), *_budget_words(answer)]
    print_answer(answer, "\n".join(lines), as_json=as_json)


@click.command()
@click.argument("pid", type=int, required=False)
@socket_option
@json_option
def ps(pid: int | None, socket: Path | None, as_json: bool) -> None:
    """List the processes that are watched, or show all of process PID. Pages are 4 KiB."""
    client = client_for(socket)
    if pid is not None:
        answer = client.process(pid)
        print_answer(answer, pairs(_flat(answer)), as_json=as_json)
        return
    answer = client.processes()
    rows = [[each[key] for key in _COLUMNS.values()] for each in answer["processes"]]
    lines = [table(list(_COLUMNS), rows), *_left_alone_words(answer), *_budget_words(answer)]
    print_answer(answer, "\n".join(lines), as_json=as_json)


def _budget_words(answer: dict[str, Any]) -> list[str]:
    """A line where the CPU budget is what limits the scanner."""
    budget = answer["budget"]
    if not budget or not budget["waiting"]:
        return []
    limit, waiting, round_s = budget["limit_percent"], budget["waiting"], budget["round_s"]
    return [
        f"the CPU budget ({limit:.2g} % of a core) is the limit: {waiting} processes wait, and a "
        f"round over all takes about {round_s:.0f} s"
    ]


def _left_alone_words(answer: dict[str, Any]) -> list[str]:
    """A line for each process that cannot be watched, and one for those that rules exclude."""
    others = answer["left_alone"]
    reasons = [(each["pid"], str(each["name"]), str(each["why"])) for each in others]
    cannot = [each for each in reasons if not each[2].startswith("excluded by a rule")]
    lines = [f"{shown(name)}[{pid}]: {shown(why)}" for pid, name, why in cannot]
    if excluded := len(others) - len(cannot):
        lines.append(f"excluded by rules: {excluded} (`mmscand ps PID` says by which)")
    return lines


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
    """A histogram as its numbers in a row, parts with their names."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else value
