"""Slow memory is slow, in a guest: what the plug-in counts, whatever else the host does.

How fast code is that is not instrumented is measured by `script/bench slow_memory`.
"""

from pathlib import Path

import pytest

from mmscand_lab.experiment import prove_slow_memory
from mmscand_lab.scenario import QUIET_GUEST


@pytest.mark.lab
@pytest.mark.timeout(1800)
def test_each_miss_waits_for_the_memory_of_its_node(tmp_path: Path) -> None:
    proof = prove_slow_memory(tmp_path)
    assert proof is not None, "no compiler here: script/test installs one"
    print(proof)
    for node, reported in enumerate(QUIET_GUEST.nodes):
        assert proof["own_node"][node] > 0.95
        assert 0.49 * reported.latency_ns < proof["waited_ns"][node] < 1.01 * reported.latency_ns
        assert proof["latency_ns"][node] > 0.99 * reported.latency_ns  # more where the host is busy
    assert proof["two_readers_mb_s"] < 1.1 * proof["link_mb_s"]
