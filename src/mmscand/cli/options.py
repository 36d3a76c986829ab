"""Options that several commands have."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path, readable=False)
"""A path that the command itself looks at: click would not say who may use it."""
socket_option = click.option(
    "--socket", type=PATH, help="Socket of the daemon; that of /etc/mmscand.toml if left out."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
address_option = click.option(
    "--address", help="Read recordings on this Dask cluster (tcp://HOST:8786)."
)
fast_nodes_option = click.option(
    "--fast-nodes", help="Nodes to promote to, like 0,2-3; those of the file if both are left out."
)
slow_nodes_option = click.option(
    "--slow-nodes", help="Nodes to promote from; those of the file if both are left out."
)
max_mib_type = click.IntRange(1, 1 << 20)
period_ms_type = click.IntRange(1, 3_600_000)
