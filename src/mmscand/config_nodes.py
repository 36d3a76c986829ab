"""Which nodes are fast and which are slow: `[nodes]` of a file, where no option says it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmscand.config_file import Found, read_toml, require_known, table_of, text_of
from mmscand.config_socket import DEFAULT_FILE
from mmscand.errors import UsageError
from mmscand.node_lists import NamedNodes, parse_node_option
from mmscand.shown import expected


def nodes_in_force(options: NamedNodes, file: Path | None = None) -> NamedNodes:
    """What options name, else what `file` names: all of it by one of them.

    For commands that need no more of a configuration. Without a file it is DEFAULT_FILE, which need
    not be there. UsageError has all mistakes in the table.
    """
    if options.given:
        return options
    path, found, nodes = file or DEFAULT_FILE, Found(), NamedNodes()
    with found.caught(f"{path}"):
        in_file = Found()
        nodes = read_nodes(in_file, read_toml(path, required=file is not None))
        in_file.end()
    found.end()
    return nodes


def read_nodes(found: Found, table: Mapping[str, Any]) -> NamedNodes:
    """`[nodes]` of a file; each mistake in it is found."""
    with found.caught():
        nodes = table_of(table, "nodes")
        with found.caught("nodes"):
            require_known(nodes, ("fast", "slow"))
        sides: dict[str, frozenset[int]] = {}
        for key in ("fast", "slow"):
            with found.caught("nodes"):
                if key in nodes:
                    sides[key] = _list(key, nodes)
        with found.caught("nodes"):
            return NamedNodes(**sides)
    return NamedNodes()


def _list(key: str, nodes: Mapping[str, Any]) -> frozenset[int]:
    if isinstance(nodes[key], (int, list)):
        raise UsageError(f"{key}: " + expected('text like "0,2-3"', nodes[key]))
    return parse_node_option(f"{key}:", text_of(nodes, key) or "")
