"""Policies of this thread, as the kernel knows them."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmscand_lab import numa

needs_numa = pytest.mark.skipif(
    not Path("/proc/self/numa_maps").exists(), reason="kernel without NUMA"
)


def test_nodes_with_memory(tmp_path: Path) -> None:
    (tmp_path / "has_memory").write_text("0-2,5\n")
    assert numa.online_nodes(tmp_path) == [0, 1, 2, 5]
    assert numa.online_nodes(tmp_path / "absent") == [0]


def policy() -> str:
    """Of the first mapping of this thread's process, which has none of its own."""
    return Path("/proc/thread-self/numa_maps").read_text().split()[1]


@needs_numa
def test_a_policy_lasts_as_long_as_its_context_and_gives_back_the_one_before() -> None:
    node = numa.online_nodes()[-1]
    assert policy() == "default"
    with numa.preferring(node):
        assert policy() == f"prefer:{node}"
        with numa.bound_to(node):
            assert policy() == f"bind:{node}"
        assert policy() == f"prefer:{node}"
        with numa.preferring(None):
            assert policy() == "default"
        numa.forget_policy()
        assert policy() == "default"
    assert policy() == "default"


@needs_numa
def test_a_module_is_run_with_its_memory_on_the_last_node() -> None:
    argv = [sys.executable, "-m", "mmscand_lab.numa", "mmscand_lab.numa_maps_printed"]
    assert b"No module named" in subprocess.run(argv, capture_output=True, check=False).stderr
    argv = [sys.executable, "-m", "mmscand_lab.numa", "timeit", "-n1", "-r1"]
    code = "print(open('/proc/self/numa_maps').read().split()[1])"
    done = subprocess.run([*argv, code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"prefer:{numa.online_nodes()[-1]}")


@needs_numa
def test_what_the_kernel_refuses_is_reported_with_the_call() -> None:
    with pytest.raises(OSError, match="set_mempolicy"), numa.bound_to(1000):
        pass
    with pytest.raises(OSError, match="migrate_pages"):
        numa.migrate(2**22 + 1, 0, 0)
