"""What is read of servers."""

from pathlib import Path

import pytest

from mmscand_lab import served
from mmscand_lab.ops import OpsLog, load_ops

NUMA_MAPS = """\
55d0 default file=/usr/bin/redis-server mapped=9 mapmax=2 N0=9 kernelpagesize_kB=4
55e0 default heap anon=7 dirty=7 N0=2 N1=5 kernelpagesize_kB=4
7f00 default anon=100 dirty=100 N1=100 kernelpagesize_kB=4
7f10 default file=/dev/zero\\040(deleted) mapped=30 N0=10 N1=20 kernelpagesize_kB=4
7f20 default
"""


def test_memory_is_what_no_file_is_behind() -> None:
    assert served.memory_by_node(NUMA_MAPS) == {0: 12, 1: 125}
    assert served.memory_by_node("") == {}


def test_pgbench_logs_become_seconds_of_transactions() -> None:
    first = "0 1 2000 0 1000 100000\n0 2 4000 0 1000 900000\n0 3 5000 0 1001 500000\n0 4 60"
    second = "1 1 6000 0 1001 400000\n"
    rows = served.ops_of_logs([first, second], -900.0)
    assert rows[:, :2].tolist() == [[101, 2], [102, 2]]
    assert rows[:, 2] == pytest.approx([4, 6], rel=0.02)
    assert served.ops_of_logs(["", "0 1"], 0.0).shape == (0, 3)


def test_the_script_reads_one_row_by_zipf_and_seed() -> None:
    script = served.pgbench_script(1000, 7)
    assert "random_zipfian(1, 1000, 1.01)" in script
    assert "permute(:r, 1000, 7)" in script
    assert script.count("select") == 1


def test_seconds_of_blocks_are_lines_that_come_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = [10.0]
    monkeypatch.setattr("mmscand_lab.ops.time.monotonic", lambda: now[0])
    log = OpsLog(tmp_path)
    for _ in range(9):
        now[0] += 0.25
        assert log.add(100) == now[0]
    log.close()
    assert load_ops(tmp_path).tolist() == [[11, 400, 250], [12, 400, 250]]
