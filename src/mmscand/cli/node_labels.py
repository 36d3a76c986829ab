"""`mmscand node-labels`: facts about a machine, as labels of a node in Kubernetes."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from mmscand.cli.options import PATH
from mmscand.cli.wiring import NodeOptions
from mmscand.config_nodes import nodes_in_force
from mmscand.errors import MachineCannot, MmscandError, NoSuchNode
from mmscand.linux.iomem import readable_ram
from mmscand.linux.procfs import Procfs
from mmscand.linux.readers import best_reader
from mmscand.linux.surroundings import require_host
from mmscand.model import Topology
from mmscand.node_lists import NamedNodes

_PREFIX = "mmscand.dev"
_NO_READER = "none"


@click.command("node-labels")
@click.option("--config", "config_file", type=PATH, help="Read this, not /etc/mmscand.toml.")
@click.option("--file", type=PATH, help="Write them to this file, not to standard output.")
def node_labels(config_file: Path | None, file: Path | None) -> None:
    """Print labels for node-feature-discovery: tiers, bytes of fast memory, and the reader.

    Exit code 0 also where the daemon cannot work: then there is one tier, or the reader is `none`.
    Where [nodes] of the configuration names a node that this machine lacks, there is one tier.
    """
    topology = _topology(nodes_in_force(NamedNodes(), config_file))
    text = "".join(f"{key}={value}\n" for key, value in labels(topology, _reader(topology)).items())
    if file is None:
        print(text, end="")
    else:
        _write(file, text)


def _topology(named: NamedNodes) -> Topology:
    """One tier, where the nodes that are named are not there; none, where there are no nodes."""
    try:
        return NodeOptions(named).topology()
    except NoSuchNode:
        return NodeOptions(NamedNodes(slow=frozenset())).topology()
    except MachineCannot:  # a kernel without NUMA
        return Topology((), frozenset(), frozenset())


def labels(topology: Topology, reader: str) -> Mapping[str, str]:
    """By name. One tier means that there is nothing to promote from."""
    fast = sum(end - start for start, end in topology.frame_ranges(topology.fast))
    return {
        f"{_PREFIX}/tiers": str(1 + len({topology.node(node).tier for node in topology.slow})),
        f"{_PREFIX}/fast-bytes": str(fast),
        f"{_PREFIX}/reader": reader,
    }


def _reader(topology: Topology) -> str:
    """The name of the reader that works here."""
    with suppress(MmscandError, OSError):
        require_host()
        reader, _ = best_reader(readable_ram(topology), Procfs())
        if reader is not None:
            name = reader.memory.name
            reader.close()
            return name
    return _NO_READER


def _write(file: Path, text: str) -> None:
    """Whole or not at all. node-feature-discovery leaves out files whose name begins with a dot."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="ascii")
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise MmscandError(
            f"cannot write {file}: {error.strerror}", hint="is its folder there, and yours?"
        ) from None
