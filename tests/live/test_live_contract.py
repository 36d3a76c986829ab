from collections.abc import Iterator

import pytest

from contract.suite import ContractSuite
from mmscand.linux.machine import LinuxMachine
from support.live_world import LiveWorld, live_world


class TestLiveKernel(ContractSuite):
    @pytest.fixture
    def world(self, machine: LinuxMachine) -> Iterator[LiveWorld]:
        with live_world(machine, exact=False) as world:
            yield world
