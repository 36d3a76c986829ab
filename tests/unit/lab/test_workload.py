"""The workload: the pure part, and the program itself on node 0 as any user."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mmscand_lab import region, workload
from mmscand_lab.ops import load_ops
from mmscand_lab.patterns import PATTERNS
from mmscand_lab.phases import Phases, present_phase
from mmscand_lab.truth import (
    Layout,
    Truth,
    hot_pages,
    hot_rates,
    hottest,
    zipf_rates,
)

PROGRAM = [sys.executable, "-m", "mmscand_lab.workload"]


@pytest.mark.parametrize("layout", ["random", "range"])
@pytest.mark.parametrize(("count", "unit"), [(1, 1), (409, 1), (4096, 1), (512, 512), (2048, 512)])
def test_as_many_pages_are_hot_as_asked(layout: Layout, count: int, unit: int) -> None:
    mask = hot_pages(4096, count, layout, 7, unit)
    assert mask.shape == (4096,)
    assert mask.sum() == count
    units = mask.reshape(-1, unit)
    assert (units.all(axis=1) == units.any(axis=1)).all()


def test_hot_pages_follow_the_seed_alone() -> None:
    same = [hot_pages(1000, 100, "random", 3) for _ in range(2)]
    assert (same[0] == same[1]).all()
    assert (same[0] != hot_pages(1000, 100, "random", 4)).any()


def test_range_is_contiguous_and_random_is_not() -> None:
    edges = [
        np.count_nonzero(np.diff(hot_pages(4096, 400, layout, 5).astype(np.int8)))
        for layout in ("range", "random")
    ]
    assert edges[0] <= 2 < edges[1]


def test_a_hot_set_below_one_huge_page_is_one_huge_page() -> None:
    assert hot_pages(1024, 256, "random", 1, 512).sum() == 512


@pytest.mark.parametrize(("pages", "count", "unit"), [(10, 0, 1), (10, 11, 1), (1000, 9, 512)])
def test_counts_that_do_not_fit_are_refused(pages: int, count: int, unit: int) -> None:
    with pytest.raises(ValueError, match="pages"):
        hot_pages(pages, count, "random", 1, unit)


def test_rates_are_shares_and_follow_hot_pages_or_ranks() -> None:
    hot = hot_pages(1000, 100, "random", 1)
    gups = hot_rates(hot, 0.9)
    assert gups.sum() == pytest.approx(1)
    assert gups[hot].sum() == pytest.approx(0.9)
    zipf = zipf_rates(1000, 0.99, 1)
    assert zipf.sum() == pytest.approx(1)
    ranked = np.sort(zipf)[::-1]
    assert ranked[0] / ranked[9] == pytest.approx(10**0.99)
    assert (zipf_rates(1000, 0.99, 2) != zipf).any()
    assert zipf[hottest(zipf, 10)].sum() == pytest.approx(ranked[:10].sum())
    assert hottest(np.ones(4), 2).tolist() == [True, True, False, False]


def test_rates_come_back_as_written(tmp_path: Path) -> None:
    rates = zipf_rates(64, 0.99, 1)
    Truth(1, 0, 64, 1, huge=False, seed=1, hot=hottest(rates, 8), rates=rates).save(tmp_path)
    back = Truth.load(tmp_path).rates
    assert back is not None
    assert (back == rates).all()


def test_truth_and_operations_come_back_as_written(tmp_path: Path) -> None:
    hot = hot_pages(512, 51, "random", 2)
    Truth(4711, 1 << 46, 512, node=1, huge=False, seed=2, hot=hot).save(tmp_path)
    back = Truth.load(tmp_path)
    assert (back.pid, back.address, back.pages, back.node) == (4711, 1 << 46, 512, 1)
    assert back.huge is False
    assert (back.hot == hot).all()
    assert [path.name for path in tmp_path.iterdir()] == ["truth.npz"]
    (tmp_path / "ops.csv").write_text("monotonic_s,ops_per_s,p99_block_ms\n1.5,200.0,2.5\n")
    assert load_ops(tmp_path).tolist() == [[1.5, 200.0, 2.5]]
    (tmp_path / "ops.csv").write_text("monotonic_s,ops_per_s\n")
    assert load_ops(tmp_path).shape == (0, 3)


def test_truth_is_absent_before_it_is_complete(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Truth.load(tmp_path)


def test_numa_maps_of_one_region() -> None:
    text = "7f00 default file=/x mapped=3 N0=3\n7f40 default anon=9 dirty=9 N0=2 N12=7 kernel=4\n"
    assert region.parse_numa_maps(text, 0x7F40) == {0: 2, 12: 7}
    assert region.parse_numa_maps(text, 0x7F41) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mib", "255"],
        ["--mib", "x"],
        ["--hot-mib", "600"],
        ["--hot-share", "nan"],
        ["--write-share", "1.5"],
        ["--seed", "-1"],
        ["--pattern", "stairs", "--phase-rounds", "0"],
        ["--pause-ms", "-1"],
        ["--node", "99"],
        ["--home-node", "99"],
        ["--layout", "spiral"],
        ["--pattern", "spiral"],
        ["--pattern", "gups", "--lines", "65"],
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        workload.main([*arguments, "--state", str(tmp_path)])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@contextmanager
def program(state: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    argv = [*PROGRAM, "--mib", "16", "--node", "0", "--state", str(state), *arguments]
    with subprocess.Popen(argv) as process:
        try:
            deadline = time.monotonic() + 20
            while not (state / "ready").exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def test_program_is_ready_with_the_truth_and_stops_promptly(tmp_path: Path) -> None:
    with program(tmp_path, "--hot-mib", "1") as process:
        truth = Truth.load(tmp_path)
        assert truth.pid == process.pid
        assert truth.address % region.HUGE_PAGE == 0
        assert (truth.pages, int(truth.hot.sum())) == (4096, 256)
        time.sleep(1.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0  # milliseconds, and the interpreter's exit on a busy machine
    assert load_ops(tmp_path)[0, 1] > 1000


@pytest.mark.parametrize("pattern", ["gups", "zipf"])
def test_program_draws_pages_and_goes_on_after_a_stream(pattern: str, tmp_path: Path) -> None:
    with program(tmp_path, "--pattern", pattern) as process:
        truth = Truth.load(tmp_path)
        assert truth.rates is not None
        assert truth.rates[truth.hot].min() > truth.rates[~truth.hot].max()
        process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 20
        log = tmp_path / "ops.csv"  # not there yet, or with its first line only
        while not (log.exists() and len(load_ops(tmp_path))) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert load_ops(tmp_path)[0, 1] > 1000


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_program_knows_the_rates_of_each_pattern(pattern: str, tmp_path: Path) -> None:
    with program(tmp_path, "--pattern", pattern, "--seconds", "0.1") as process:
        truth = Truth.load(tmp_path)
        assert process.wait(20) == 0
    rates = hot_rates(truth.hot) if truth.rates is None else truth.rates
    assert rates.size == truth.pages == 4096
    assert rates.sum() == pytest.approx(1)
    assert rates[truth.hot].min() >= rates[~truth.hot].max()


def test_program_reports_its_phase(tmp_path: Path) -> None:
    with program(tmp_path, "--pattern", "zigzag", "--phase-rounds", "1"):
        truth, phases = Truth.load(tmp_path), Phases.load(tmp_path)
        assert (truth.hot == phases.hot(0)).all()
        deadline = time.monotonic() + 20
        while present_phase(tmp_path) < 3:
            assert time.monotonic() < deadline


def test_program_ends_by_itself(tmp_path: Path) -> None:
    with program(tmp_path, "--seconds", "0.2") as process:
        assert process.wait(10) == 0


def referenced_kib(pid: int, address: int) -> int:
    text = Path(f"/proc/{pid}/smaps").read_text().split(f"{address:x}-", 1)[1]
    match = re.search(r"Referenced:\s+(\d+) kB", text)
    assert match is not None
    return int(match[1])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="kernel has no clear_refs")
def test_kernel_sees_accesses_to_the_hot_pages_and_to_no_other(tmp_path: Path) -> None:
    with program(tmp_path, "--hot-share", "0.1") as process:
        truth = Truth.load(tmp_path)
        assert referenced_kib(process.pid, truth.address) == 16 * 1024
        clear_refs = Path(f"/proc/{process.pid}/clear_refs")
        clear_refs.write_text("1")
        # Clearing Accessed bits flushes no TLB on x86, and a hot page that stays in the TLB shows
        # no new access. Clearing soft-dirty bits does flush it.
        clear_refs.write_text("4")
        time.sleep(0.5)
        assert referenced_kib(process.pid, truth.address) == truth.hot.sum() * 4


def test_memory_goes_to_the_asked_node_with_no_policy_left(tmp_path: Path) -> None:
    maps = Path("/proc/self/numa_maps")
    if not maps.exists():
        pytest.skip("kernel without NUMA")
    with program(tmp_path) as process:
        truth = Truth.load(tmp_path)
        text = Path(f"/proc/{process.pid}/numa_maps").read_text()
        assert region.parse_numa_maps(text, truth.address) == {0: 4096}
        line = next(row for row in text.splitlines() if row.startswith(f"{truth.address:x} "))
        assert line.split()[1] == "default"
