"""What a contest measures, with a load that only counts, and which runs it leaves out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmscand.model import Topology
from mmscand_lab import contest
from mmscand_lab.region import WorkloadError
from mmscand_lab.standings import LEVELS, Run, load_curve, load_runs, run_folder, save_runs
from mmscand_lab.tier_speeds import TierSpeeds


class Rising:
    """Half of the best is up at the first look, all of it from the second on."""

    best = 0.5

    def __init__(self) -> None:
        self.looks = 0

    def level(self) -> float:
        self.looks += 1
        return 0.25 if self.looks == 1 else 0.5

    def require_alive(self) -> None:
        pass


def test_the_judge_finds_when_95_percent_of_the_best_are_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(contest.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(contest.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
    load: Any = Rising()
    judge = contest._Judge(load)
    assert judge.watch(99.75, 3.0) == pytest.approx(0.75)
    assert now[0] == pytest.approx(102.75)
    assert judge.levels[:2] == [0.25, 0.5]
    load.best = None
    assert judge.watch(now[0], 1.0) is None


def test_speeds_are_means_in_spans_and_a_pause_counts() -> None:
    rows = [(t, 100.0 if t <= 10 else 0.0 if t == 12 else 50.0, t / 10) for t in range(1, 21)]
    spans = {"alone": (5.0, 9.0), "moving": (10.0, 13.0), "rest": (14.0, 19.0)}
    found = contest.rates(np.array(rows), spans)
    assert found["ops_alone"] == 100
    assert found["ops_moving_ratio"] == pytest.approx(0.375)
    assert found["ops_rest_ratio"] == pytest.approx(0.5)
    assert found["p99_ms_alone"] == pytest.approx(0.8)
    assert found["p99_ms_moving"] == pytest.approx(1.25)


def test_with_all_memory_fast_for_a_while_throughput_is_a_share_of_that() -> None:
    rows = [(t, 200.0 if t <= 5 else 100.0 if t <= 10 else 150.0, 1.0) for t in range(1, 21)]
    spans = {"all_fast": (0.0, 4.0), "alone": (5.0, 9.0), "moving": (9.0, 13.0)}
    found = contest.rates(np.array(rows), {**spans, "rest": (14.0, 19.0)})
    assert found["throughput_alone"] == 0.5
    assert found["throughput_moving"] == pytest.approx(0.7)
    assert found["throughput_rest"] == 0.75
    assert "ops_rest_ratio" not in found


def test_throughput_over_time_begins_a_second_before_the_policy_does() -> None:
    rows = np.array([(t, 200.0 if t <= 5 else 100.0, 1.0) for t in range(1, 13)])
    spans = {"all_fast": (0.0, 4.0), "alone": (5.0, 9.0), "moving": (10.5, 13.0)}
    assert contest.over_time(rows, spans) == [(-0.5, 0.5), (0.5, 0.5), (1.5, 0.5)]
    del spans["all_fast"]
    assert contest.over_time(rows, spans) == []


def test_what_others_did_on_the_host_is_reported_in_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = [100.0]
    monkeypatch.setattr(contest.time, "monotonic", lambda: now[0])
    assert contest.Disturbance(tmp_path).figures() == {}
    (tmp_path / "others-cpu").write_text("7.00\n")
    disturbance = contest.Disturbance(tmp_path)
    now[0] += 20
    (tmp_path / "others-cpu").write_text("12.00\n")
    assert disturbance.figures() == {"others_cores": 0.25}
    (tmp_path / "others-cpu").write_text("-1.00\n")  # ticks are less than processes count
    assert disturbance.figures() == {"others_cores": 0.0}


def test_a_load_that_stood_still_is_a_ratio_of_nothing() -> None:
    spans = {"alone": (0.0, 5.0), "moving": (5.0, 9.0), "rest": (9.0, 12.0)}
    found = contest.rates(np.array([(3.0, 10.0, 1.0)]), spans)
    assert (found["ops_moving_ratio"], found["p99_ms_moving"]) == (0, 0)


def test_runs_that_are_there_are_kept_new_ones_saved_at_once_and_one_that_fails_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[tuple[str, str, int]] = []

    def fake(
        name: str, policy: str, seed: int, results: Path, topology: object, speeds: TierSpeeds
    ) -> Run:
        assert speeds.facts() is None
        if (policy, seed) == ("damon", 3):
            raise WorkloadError("no memory")
        done.append((name, policy, seed))
        return Run(name, policy, seed, {"cpu_s": 1.0})

    monkeypatch.setattr(contest, "contest", fake)
    topology = Topology((), frozenset(), frozenset(), "")
    monkeypatch.setattr(contest, "read_topology", lambda reader: topology)
    monkeypatch.setattr(contest, "require_two_tiers", lambda topology: None)
    save_runs(tmp_path, [Run("gups", "damon", 1, {"cpu_s": 9.0})])
    argv = ["--results", str(tmp_path), "--workloads", "gups", "--policies", "damon", "mmscand"]
    assert contest.main([*argv, "--seeds", "1", "2", "3"]) == 1
    assert done[:3] == [("gups", "mmscand", 1), ("gups", "damon", 2), ("gups", "mmscand", 2)]
    assert done[3:] == [("gups", "mmscand", 3)]
    runs = load_runs(tmp_path)
    assert [run.figures["cpu_s"] for run in runs] == [9.0, 1.0, 1.0, 1.0, 1.0]
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == [
        "a core is 1.0 times slower; mmscand-shipped: cpu_budget_percent=1.0 cpu_burst_s=20.0"
        " accesses_per_bit=100",
        "1 of 5: gups, mmscand, seed 1",
    ]
    assert said.err == (
        "contest: 1 of 5 runs failed; gups, damon, seed 3: no memory: the same again tries them\n"
    )


class Steady:
    """A load at work whose figures are known."""

    pid, options, best = 1, ("--pid", "1"), 0.8

    def __init__(self) -> None:
        self.changes = 0

    def level(self) -> float:
        return 0.8

    def change(self) -> None:
        self.changes += 1

    def end(self) -> dict[str, float]:
        return {"wrong_pages": 3.0}

    def ops(self) -> np.ndarray:
        return np.array([(float(t), 10.0, 1.0) for t in range(1, 200)])

    def require_alive(self) -> None:
        pass


@pytest.mark.parametrize(
    ("change", "best"), [("shift", 0.8), ("phases", 0.8), (None, 0.8), (None, None)]
)
def test_a_run_has_the_figures_that_are_known_of_its_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str | None, best: float | None
) -> None:
    now = [50.0]
    monkeypatch.setattr(contest.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(contest.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
    monkeypatch.setattr(contest, "_threads_s", lambda: 0.0)
    running = Steady()
    running.best = best  # type: ignore[assignment]

    @contextmanager
    def start(place: object) -> Iterator[Steady]:
        yield running

    @contextmanager
    def room(*_: object) -> Iterator[None]:
        yield

    loads = {"one": contest.Load("", start, change)}  # type: ignore[arg-type]
    monkeypatch.setattr(contest, "LOADS", loads)
    monkeypatch.setattr(contest, "room_on", room)
    topology: Any = type("Two", (), {"fast": {0}, "slow": {1}})
    stale = run_folder(tmp_path, "one", "nothing", 1) / "ready"
    stale.parent.mkdir()
    stale.write_text("")
    run = contest.contest("one", "nothing", 1, tmp_path, topology, TierSpeeds(None, 0.0))
    assert not stale.exists()
    assert running.changes == (1 if change else 0)
    assert ("seconds_to_95_after_shift" in run.figures) == (change == "shift")
    share, steady = "memory_share" if best is None else "hit_share", change != "phases"
    assert run.figures.get(share) == (pytest.approx(0.8) if steady else None)
    assert run.figures[f"{share}_over_time"] == pytest.approx(0.8)
    assert ("seconds_to_95" in run.figures) == (steady and best is not None)
    assert ("ops_rest_ratio" in run.figures) == steady
    assert run.figures["ops_moving_ratio"] == run.figures["core_slower_by"] == 1
    assert run.figures["wrong_pages"] == 3
    levels = load_curve(run_folder(tmp_path, "one", "nothing", 1), LEVELS)
    assert levels[:2] == [(0, 0.8), (0.5, 0.8)]


def test_a_way_that_nobody_knows_is_reported_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--results", str(tmp_path / "none"), "--policies", "mmscand:policy=../x"]
    assert contest.main(argv) == 2
    assert "no policy 'mmscand:policy=../x'" in capsys.readouterr().err
