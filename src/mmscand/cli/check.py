"""`mmscand check`: what this machine offers."""

from dataclasses import asdict
from pathlib import Path

import click

from mmscand.cli.config_report import config_report
from mmscand.cli.options import PATH, fast_nodes_option, slow_nodes_option
from mmscand.cli.wiring import NodeOptions
from mmscand.config_nodes import nodes_in_force
from mmscand.errors import MachineCannot
from mmscand.linux.checks import Check, run_checks
from mmscand.node_lists import nodes_of_options
from mmscand.shown import json_text, shown


@click.command()
@fast_nodes_option
@slow_nodes_option
@click.option(
    "--config",
    "config_file",
    type=PATH,
    help="Test this configuration, and nothing else; no root.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as a JSON array.")
def check(
    fast_nodes: str | None, slow_nodes: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Say whether `mmscand run` would work here, and why not. Exit code 0 or 3.

    With --config print all mistakes of a configuration, and rules that never match. 0 or 2.
    """
    if config_file is not None:
        print(config_report(config_file, as_json=as_json))
        return
    checks = _checks(NodeOptions(nodes_in_force(nodes_of_options(fast_nodes, slow_nodes))))
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
