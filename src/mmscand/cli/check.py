"""`mmscand check`: what this machine offers."""

from dataclasses import asdict
from typing import Annotated

import typer

from mmscand.cli.wiring import NodeOptions
from mmscand.errors import MachineCannot
from mmscand.linux.checks import Check, run_checks
from mmscand.shown import json_text, shown


def check(
    fast_nodes: Annotated[str | None, typer.Option(help="Nodes to promote to, like 0,2-3.")] = None,
    slow_nodes: Annotated[str | None, typer.Option(help="Nodes to promote from.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows as a JSON array.")
    ] = False,
) -> None:
    """Tell whether `mmscand run` would work here, and why not. Exit code 0 or 3."""
    checks = _checks(NodeOptions(fast_nodes, slow_nodes))
    print(json_text([asdict(c) for c in checks], indent=2) if as_json else _table(checks))
    missing = [c for c in checks if c.needed and not c.ok]
    if missing:
        raise MachineCannot(
            f"`mmscand run` would not work here: {missing[0].name}: {missing[0].detail}",
            hint=missing[0].hint,
        )


def _checks(nodes: NodeOptions) -> list[Check]:
    try:
        topology = nodes.topology()
    except MachineCannot as error:  # no NUMA at all: there is nothing else to look at
        return [Check("nodes", False, True, error.message, error.hint)]
    return run_checks(topology)


def _table(checks: list[Check]) -> str:
    width = max(len(c.name) for c in checks)
    return "\n".join(shown(line) for c in checks for line in _row(c, width))


def _row(check: Check, width: int) -> list[str]:
    verdict = "ok" if check.ok else "NOT OK" if check.needed else "not ok"
    lines = [f"{check.name:{width}}  {verdict:6}  {check.detail}"]
    if check.hint and not check.ok:
        lines.append(f"{'':{width}}          -> {check.hint}")
    return lines
