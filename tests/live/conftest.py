from collections.abc import Iterator

import pytest

from mmscand.errors import MachineCannot
from mmscand.linux.machine import LinuxMachine
from support.live_world import one_node_machine


@pytest.fixture(scope="session")
def machine() -> Iterator[LinuxMachine]:
    """This kernel, every node called slow."""
    try:
        machine = one_node_machine()
    except MachineCannot as error:
        pytest.skip(f"live tests need root and a reader: {error}")
    yield machine
    machine.close()
