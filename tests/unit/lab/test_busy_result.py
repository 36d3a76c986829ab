"""A busy server's figures against what is promised, and what its judge counts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmscand_lab import busy_result
from mmscand_lab.busy_judge import stays
from mmscand_lab.busy_result import (
    BusyResult,
    DaemonRun,
    Large,
    Stays,
    Story,
    all_kept,
    as_json,
    rows,
)
from mmscand_lab.kernel import LabError
from mmscand_lab.kvm import Use
from mmscand_lab.slowness import Budget

GOOD = BusyResult(
    kernel="6.12.0",
    story=Story(
        slowness=31.25,
        budget=Budget(31.25, 625, 3125),
        storm=300,
        blocks_online=2,
        slow_nodes=[1, 2],
        slow_nodes_known=[1, 2],
        reloaded="scan_period_max_ms was 10000, is 9000",
        hangup_said="scan_period_max_ms was 9000, is 9500",
        kvm_reason="it owns a KVM machine",
    ),
    large={"4K": Large(0.995, 0.002, 3277, 40), "2M": Large(1, 0, 3072, 41)},
    stays={"KVM machine": Stays(12288, 0), "bound process": Stays(1024, 0)},
    kvm=Use(rounds=400, pages=2000, wrong=0),
    container_promoted=1,
    small_processes=300,
    small_seen=298,
    demoted=4000,
    postgres_rows=8192,
    postgres_rows_made=8192,
    runs=[DaemonRun(0, [], 0, 0), DaemonRun(0, [], 0, 0)],
)
Change = Callable[[BusyResult], BusyResult]


def short(result: BusyResult) -> list[str]:
    return [row.figure for row in rows(result) if row.ok is False]


def with_large(large: Large) -> BusyResult:
    return replace(GOOD, large={**GOOD.large, "4K": large})


def with_story(**changes: object) -> BusyResult:
    return replace(GOOD, story=replace(GOOD.story, **changes))  # type: ignore[arg-type]


def with_kvm(**changes: int) -> BusyResult:
    return replace(GOOD, kvm=replace(GOOD.kvm, **changes))


def with_run(run: DaemonRun) -> BusyResult:
    return replace(GOOD, runs=[GOOD.runs[0], run])


def test_a_good_result_keeps_everything() -> None:
    assert short(GOOD) == []
    assert all_kept(GOOD)


@pytest.mark.parametrize(
    ("result", "figure"),
    [
        (with_large(Large(0.9899, 0, 3277, 40)), "hot pages up, process of 4K pages"),
        (with_large(Large(1, 0.0101, 3277, 40)), "cold pages up, process of 4K pages"),
        (replace(GOOD, stays={"bound": Stays(9, 1)}), "pages moved, bound"),
        (with_kvm(rounds=0), "KVM machine at work"),
        (with_kvm(pages=0), "KVM machine at work"),
        (with_kvm(wrong=1), "its pages used otherwise than its seed says"),
        (with_story(kvm_reason=""), "KVM machine's owner"),
        (with_story(blocks_online=0), "memory blocks that came online"),
        (with_story(slow_nodes_known=[]), "slow nodes known after that"),
        (with_story(reloaded=""), "reload"),
        (with_story(hangup_said=""), "SIGHUP"),
        (replace(GOOD, postgres_rows=8191), "rows that PostgreSQL finds"),
        (with_run(DaemonRun(3, [], 0, 0)), "daemon, run 2: exit code"),
        (with_run(DaemonRun(0, ["x"], 0, 0)), "daemon, run 2: tracebacks / lines of errors"),
        (with_run(DaemonRun(0, [], 1, 0)), "daemon, run 2: tracebacks / lines of errors"),
    ],
)
def test_each_promise_can_fall_short(result: BusyResult, figure: str) -> None:
    assert short(result) == [figure]
    assert not all_kept(result)
    assert as_json(result)["ok"] is False


def test_it_comes_back_as_written(tmp_path: Path) -> None:
    GOOD.save(tmp_path)
    assert busy_result.load(tmp_path) == GOOD
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_no_result_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no result"):
        busy_result.load(tmp_path)


def test_pages_that_are_there_both_times_are_compared() -> None:
    before = np.array([0, 0, 1, -2, 1], dtype=np.int32)
    after = np.array([0, 1, 1, 0, -2], dtype=np.int32)
    assert stays(before, after) == Stays(pages=3, moved=1)
