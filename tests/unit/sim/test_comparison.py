"""Cases, files that are kept, and what the figures are said to mean."""

import json
import sys
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen, run

import pytest

from mmscand.errors import MachineCannot, MmscandError
from mmscand.sim import comparison
from mmscand.sim.case import Case, Figures, Record, run_case
from mmscand.sim.comparison import cases_of, executor_at, run_all
from mmscand.sim.judgement import losses, medians, verdicts, worst_regrets

CASE = Case("gups", "capacity", 8, 1.0, 1, pages=1024, windows=40)


class Here(Executor):
    """Runs at once, counts, and stops after this many."""

    def __init__(self, most: int = 1000) -> None:
        self.ran: list[Case] = []
        self._most = most

    def submit(self, function, /, case):  # type: ignore[no-untyped-def,override]  # noqa: ANN001,ANN201
        future: Future[Record] = Future()
        self.ran.append(case)
        if len(self.ran) <= self._most:
            future.set_result(function(case))
        else:
            future.set_exception(KeyboardInterrupt())
        return future


def test_a_case_gives_the_same_figures_each_time_and_its_length_follows_the_intensity() -> None:
    assert run_case(CASE) == run_case(CASE)
    assert Case("gups", "capacity", 8, 0.1, 1).length == 1200
    assert Case("huge", "capacity", 8, 0.1, 1).length == 120


def test_figures_agree_with_each_other() -> None:
    figures = run_case(replace(CASE, workload="gups-shift", windows=120))["figures"]
    assert figures["least_ns"] <= figures["latency_ns"]
    assert figures["static_share"] < figures["epoch_share"]
    assert figures["regret_pp"] == pytest.approx(
        100 * (figures["epoch_share"] - figures["hit_share"])
    )
    assert figures["recovery_periods"] is not None
    assert figures["swept_percent"] is None


@pytest.mark.parametrize("text", ['{"made_by": ', "[]", "3", "null", '"text"', "{}", "\xff"])
def test_what_was_done_is_not_done_again_and_a_broken_file_is(tmp_path: Path, text: str) -> None:
    cases = cases_of(["uniform"], ["nothing"], [8], [1.0], [1, 2], 256)
    first = run_all(cases, tmp_path, Here())
    assert len(list(tmp_path.glob("*.json"))) == 2
    (tmp_path / f"{cases[1].name}.json").write_text(text, encoding="latin-1")
    again = Here()
    assert run_all(cases, tmp_path, again) == first
    assert again.ran == [cases[1]]


def test_after_an_interruption_it_goes_on(tmp_path: Path) -> None:
    cases = cases_of(["uniform"], ["nothing"], [8], [1.0], [1, 2, 3], 256)
    with pytest.raises(KeyboardInterrupt):
        run_all(cases[:2], tmp_path, Here(most=0))
    run_all(cases[:2], tmp_path, Here())
    rest = Here()
    counted: list[int] = []
    run_all(cases, tmp_path, rest, counted.append)
    assert rest.ran == cases[2:]
    assert counted == [2, 1]


def test_results_of_other_code_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = cases_of(["uniform"], ["nothing"], [8], [1.0], [1], 256)
    run_all(cases, tmp_path, Here())
    monkeypatch.setattr(comparison, "fingerprint", lambda: "other")
    again = Here()
    run_all(cases, tmp_path, again)
    assert again.ran == cases


def test_without_a_dask_client_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    there = executor_at("tcp://127.0.0.1:1", 1)
    with pytest.raises(MachineCannot, match="pip install distributed"), there:
        pass


@pytest.mark.parametrize("kind", [CancelledError, BrokenProcessPool])
def test_workers_that_have_gone_are_one_line(kind: type[Exception]) -> None:
    with pytest.raises(MmscandError, match="the workers of this machine have gone"):  # noqa: SIM117
        with executor_at(None, 1):
            raise kind


def record(policy: str, seed: int = 1, workload: str = "gups", **figures: float) -> Record:
    known = Figures(
        hit_share=0.9, epoch_share=0.9, static_share=0.9, regret_pp=0.0, steady_regret_pp=0.0,
        moves_percent=0.0, promotions=10, again_percent=0.0, recovery_periods=None,
        recovery_clears=None, clears_a_second=0.0,
        swept_percent=None, latency_ns=130.0, least_ns=130.0, whole_latency_ns=130.0,
        passes=10,
    )  # fmt: skip
    case: dict[str, object] = {
        "workload": workload,
        "policy": policy,
        "ratio": 8,
        "intensity": 1.0,
        "seed": seed,
    }
    return Record(case=case, figures={**known, **figures})  # type: ignore[typeddict-item]


def test_the_median_over_seeds_is_judged_by_its_worst_cell() -> None:
    table = medians(
        [
            record("capacity", seed, steady_regret_pp=value)
            for seed, value in ((1, 0), (2, 5), (3, 0.4))
        ]
    )
    found = {verdict.promise.name: verdict for verdict in verdicts(table)}
    assert found["regret, GUPS"].worst == 0.4
    assert (found["regret, GUPS"].kept, found["regret, GUPS"].cells) == (0, 1)
    assert found["regret, GUPS"].where == "gups 1:8 at 1"
    assert "full shift" not in found


def test_where_another_policy_is_faster_is_reported_and_who() -> None:
    table = medians(
        [
            record("capacity", latency_ns=140.0, whole_latency_ns=140.0, regret_pp=3.0),
            record("two-pass", latency_ns=130.0, regret_pp=1.0),
            record("nothing", latency_ns=139.5),
        ]
    )
    [loss] = losses(table)
    assert (loss.where, loss.other) == ("gups 1:8 at 1", "two-pass")
    assert loss.percent == pytest.approx(7.69, abs=0.01)
    [harm] = [v for v in verdicts(table) if v.promise.name == "slower than doing nothing"]
    assert harm.worst == pytest.approx(100 * (140 / 130 - 1))
    assert worst_regrets(table)["gups"] == {"capacity": 3.0, "two-pass": 1.0, "nothing": 0.0}


def test_files_are_json_with_the_case_in_them(tmp_path: Path) -> None:
    [case] = cases_of(["uniform"], ["nothing"], [8], [0.1], [1], 256)
    run_all([case], tmp_path, Here())
    found = json.loads((tmp_path / "uniform-nothing-1to8-m0.1-s1-n256.json").read_text())
    assert found["case"]["intensity"] == 0.1
    assert found["figures"]["promotions"] == 0


def test_all_code_that_runs_in_a_case_is_in_the_fingerprint() -> None:
    script = "import sys, mmscand.sim.case; print(*(n for n in sys.modules if 'mmscand.' in n))"
    loaded = run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    package = Path(comparison.__file__).parent.parent
    decides = {
        str(file.relative_to(package).with_suffix("")).replace("/", ".")
        for file in comparison.deciding_files()
    }
    names = {name.removeprefix("mmscand.") for name in loaded.stdout.split()}
    folders = ("engine", "heat", "migrate", "policy", "scan", "sim")
    parts = {name for name in names if name.split(".")[0] in folders}
    assert {name for name in parts if "." in name} - decides == set()


def test_workers_end_when_their_parent_was_killed() -> None:
    """Or they would take a core each until all of their cases are done."""
    with Popen([sys.executable, "-c", _TWO_WORKERS], stdout=PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
        # Each worker holds the pipe open until it has ended.
        assert parent.stdout.read() == ""
    assert len(workers) == 2


_TWO_WORKERS = """
import os, time
from mmscand.sim.comparison import executor_at

if __name__ == "__main__":
    with executor_at(None, 2) as executor:
        executor.submit(time.sleep, 3600)
        executor.submit(time.sleep, 3600)
        while len(executor._processes) < 2:
            time.sleep(0.01)
        print(*executor._processes, flush=True)
        time.sleep(3600)
"""
