"""`mmscand status` and `mmscand ps`: how the daemon and its processes stand."""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click

from mmscand.cli.health import EXIT_CODES, findings
from mmscand.cli.options import json_option, socket_option
from mmscand.cli.process_table import process_table
from mmscand.cli.quantities import percent
from mmscand.cli.status_screen import screen
from mmscand.cli.table import client_for, pairs, print_answer
from mmscand.errors import MmscandError
from mmscand.shown import shown


@click.command()
@socket_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="All fields and counters, one a line.")
@click.option(
    "--check",
    is_flag=True,
    help="One line for a monitoring system; ends with 0 (OK), 1 (WARNING), 2 (CRITICAL), or 3 "
    "(UNKNOWN).",
)
def status(socket: Path | None, as_json: bool, verbose: bool, check: bool) -> int:
    """Show how the daemon stands. Pages are 4 KiB."""
    if check:
        return _check(socket)
    answer = client_for(socket).status()
    lines = [pairs(_flat(answer))] if verbose else screen(answer, time.time())
    print_answer(answer, "\n".join([*lines, *_budget_words(answer)]), as_json=as_json)
    return 0


def _check(socket: Path | None) -> int:
    """A line and an exit code, as plugins of monitoring systems have them."""
    try:
        answer = client_for(socket).status()
    except MmscandError as error:
        level = "CRITICAL" if error.exit_code == 1 else "UNKNOWN"
        print(f"MMSCAND {level} - {error}")
        return EXIT_CODES[level]
    found = findings(answer, time.time())
    words = "; ".join(shown(each.words) for each in found)
    fine = f"{answer['processes']} processes, {percent(answer['fast_ratio'])} of accesses fast"
    worst = found[0].level if found else "OK"
    print(f"MMSCAND {worst} - {words or fine}{_performance(answer)}")
    return EXIT_CODES[worst]


def _performance(answer: dict[str, Any]) -> str:
    """Figures as these systems read them: name=value with a unit."""
    minute, budget = answer["minute"], answer["budget"] or {}
    figures = {
        "processes": answer["processes"],
        "promoted_pages_per_minute": minute.get("promoted", 0),
        "demoted_pages_per_minute": minute.get("demoted", 0),
        "cpu": f"{budget.get('used_percent', 0.0):.3f}%",
    }
    return " | " + " ".join(f"{name}={value}" for name, value in figures.items())


@click.command()
@click.argument("pid", type=int, required=False)
@socket_option
@json_option
def ps(pid: int | None, socket: Path | None, as_json: bool) -> None:
    """List the processes that are watched, or show all of process PID.

    FAST, SLOW: its memory on the two tiers. HOT SLOW: of that, what would pay for a move. UP, DOWN:
    promoted and demoted since it is watched. SAVED, COST: time that promoting saved it, and CPU
    time that scanning and moving took.
    """
    client = client_for(socket)
    if pid is not None:
        answer = client.process(pid)
        print_answer(answer, pairs(_flat(answer)), as_json=as_json)
        return
    answer = client.processes()
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = process_table(answer["processes"], columns)
    lines += [*_left_alone_words(answer), *_budget_words(answer)]
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
