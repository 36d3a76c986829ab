"""`mmscand config`: a configuration as data, before it is in force."""

from pathlib import Path

import click

from mmscand.cli.options import PATH, json_option, socket_option
from mmscand.cli.table import client_for, print_answer
from mmscand.config_socket import DEFAULT_FILE
from mmscand.shown import json_text, shown


@click.group()
def config() -> None:
    """Test a configuration, compare it with the daemon's, or print its schema."""


@config.command()
@click.argument("file", type=PATH, default=DEFAULT_FILE, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print mistakes and warnings as JSON.")
def check(file: Path, as_json: bool) -> None:
    """Print all mistakes of FILE, and rules that never match. Exit code 0 or 2.

    Without FILE it is /etc/mmscand.toml.

    It is the same as `mmscand check --config FILE`. It needs no root and no daemon.
    """
    from mmscand.cli.config_report import config_report  # noqa: PLC0415 - numpy

    print(config_report(file, as_json=as_json))


@config.command()
@click.argument("file", type=PATH, required=False)
@socket_option
@json_option
def diff(file: Path | None, socket: Path | None, as_json: bool) -> None:
    """Print what a reload of FILE would change in the running daemon, and change nothing.

    Without FILE it is the file of the daemon. Exit code 0, also where it would change nothing, or
    2 where a reload would refuse the file.
    """
    from mmscand.config_snapshot import preview  # noqa: PLC0415 - numpy
    from mmscand.linux.cgroups import cgroup_view  # noqa: PLC0415

    answer = client_for(socket).configuration()
    changes = list(preview(answer, file, cgroup_view()))
    text = "\n".join(map(shown, changes)) or "nothing would change"
    print_answer({"changes": changes}, text, as_json=as_json)


@config.command()
def schema() -> None:
    """Print a JSON schema of the configuration, for editors and for tests of a fleet's files."""
    from mmscand.config_schema import config_schema  # noqa: PLC0415

    print(json_text(config_schema(), indent=2))
