"""Fixtures for tests in a guest: its kernel as a machine, and a world of processes on it.

Here exactness is asserted, memory is filled up, and the kernel is changed for good.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand.cli.wiring import NodeOptions, real_machine
from mmscand.errors import MachineCannot
from mmscand.linux.machine import LinuxMachine
from mmscand.linux.topology import NodeReader, read_topology
from mmscand.node_lists import nodes_of_options
from support.live_world import LiveWorld, live_world

_MGLRU = Path("/sys/kernel/mm/lru_gen/enabled")


@pytest.fixture(scope="session")
def machine() -> Iterator[LinuxMachine]:
    """The guest, with the tiers that its kernel sees; before Linux 6.7 it sees only one."""
    switch_on_mglru()
    try:
        machine = real_machine(NodeOptions(nodes_of_options(None, nodes_to_name())))
    except MachineCannot as error:
        pytest.skip(f"guest tests need two tiers: {error}")
    yield machine
    machine.close()


@pytest.fixture(scope="session", autouse=True)
def tiers_in_the_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the kernel sees one tier, programs find the slow nodes in /etc/mmscand.toml, as on a
    machine of its users. /etc is the host's, and read-only: a copy lies over it meanwhile.
    """
    if nodes_to_name() is None:
        yield
        return
    etc = tmp_path_factory.mktemp("etc")
    shutil.copytree("/etc", etc, symlinks=True, dirs_exist_ok=True)
    (etc / "mmscand.toml").write_text(nodes_in_a_file())
    subprocess.run(["mount", "--bind", str(etc), "/etc"], check=True)
    yield
    subprocess.run(["umount", "/etc"], check=True)


def switch_on_mglru() -> None:
    """Off by default in Debian's 6.1."""
    _MGLRU.write_text("y")


def nodes_to_name() -> str | None:
    """What `--slow-nodes` has to say where the kernel has one tier; None elsewhere."""
    topology = read_topology(NodeReader())
    without_cpus = (str(node.id) for node in topology.nodes if not node.has_cpus)
    return None if topology.slow else ",".join(without_cpus)


def nodes_in_a_file() -> str:
    """Lines that name the slow nodes, for a file in place of /etc/mmscand.toml."""
    slow = nodes_to_name()
    return "" if slow is None else f'[nodes]\nslow = "{slow}"\n'


@pytest.fixture
def world(machine: LinuxMachine) -> Iterator[LiveWorld]:
    with live_world(machine, exact=True) as world:
        yield world
