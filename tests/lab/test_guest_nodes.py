"""Boots guests with three nodes, and runs the file of `tests/guest_nodes` that is about each."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmscand_lab.scenario import QUIET_GUEST
from mmscand_lab.spec import GuestNode
from support.guest_suite import run_guest_tests

_LIMIT_S = 3600.0
"""Ends what hangs: ten times what it takes in emulation on two quiet cores."""
_SOCKET = GuestNode(memory_mib=768, cpus=1)
_MIDDLE = GuestNode(memory_mib=768, latency_ns=150, bandwidth_mib_s=30 * 1024)
_SLOW = GuestNode(memory_mib=768, latency_ns=250, bandwidth_mib_s=20 * 1024)
GUESTS = {
    "test_two_fast_nodes.py": replace(QUIET_GUEST, nodes=(_SOCKET, _SOCKET, _SLOW)),
    "test_fake_nodes.py": replace(
        QUIET_GUEST,
        nodes=(replace(_SOCKET, cpus=2, memory_mib=1000),),
        kernel_args=(*QUIET_GUEST.kernel_args, "numa=fake=3"),
    ),
    "test_three_tiers.py": replace(QUIET_GUEST, nodes=(replace(_SOCKET, cpus=2), _MIDDLE, _SLOW)),
}


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S + 60)
@pytest.mark.parametrize("name", GUESTS)
def test_everything_that_needs_three_nodes(name: str, tmp_path: Path) -> None:
    status, report = run_guest_tests(
        GUESTS[name], [f"tests/guest_nodes/{name}"], tmp_path, _LIMIT_S
    )
    print(report)
    assert status == 0, report[-20_000:]
