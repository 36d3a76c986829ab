"""Boots guests with three nodes, and runs the file of `tests/guest_nodes` that is about each."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mmscand.lab.guest import STDERR, STDOUT, run_in_guest
from mmscand.lab.kernel import fetch_kernel
from mmscand.lab.scenario import QUIET_GUEST
from mmscand.lab.spec import GuestNode

ROOT = Path(__file__).resolve().parents[2]
_LIMIT_S = 600.0
"""Ten times what it takes in emulation on two quiet cores."""
_SOCKET = GuestNode(memory_mib=768, cpus=1)
_MIDDLE = GuestNode(memory_mib=768, latency_ns=150, bandwidth_mib_s=30 * 1024)
_SLOW = GuestNode(memory_mib=768, latency_ns=250, bandwidth_mib_s=20 * 1024)
GUESTS = {
    "test_two_fast_nodes.py": replace(QUIET_GUEST, nodes=(_SOCKET, _SOCKET, _SLOW)),
    "test_three_tiers.py": replace(QUIET_GUEST, nodes=(replace(_SOCKET, cpus=2), _MIDDLE, _SLOW)),
}


@pytest.mark.lab
@pytest.mark.timeout(_LIMIT_S + 60)
@pytest.mark.parametrize("name", GUESTS)
def test_everything_that_needs_three_nodes(name: str, tmp_path: Path) -> None:
    # Both plugins would write to the checkout, which is read-only there.
    plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    status = run_in_guest(
        [sys.executable, "-m", "pytest", "-v", *plugins, f"tests/guest_nodes/{name}"],
        spec=GUESTS[name],
        kernel=fetch_kernel(),
        results=tmp_path,
        timeout_s=_LIMIT_S,
        cwd=ROOT,
        env={"MMSCAND_NO_SKIPS": "1"},
    )
    report = (tmp_path / STDOUT).read_text() + (tmp_path / STDERR).read_text()
    print(report)
    assert status == 0, report[-20_000:]
