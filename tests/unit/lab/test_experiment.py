"""The host's side, with a guest that only writes files."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import mmscand
import mmscand_lab
from mmscand_lab import experiment
from mmscand_lab import result as results_of
from mmscand_lab.guest import STDOUT
from mmscand_lab.kernel import GuestKernel, LabError
from mmscand_lab.result import RESULT, Result
from mmscand_lab.samples import SAMPLES, Sample, SampleLog
from mmscand_lab.scenario import SCENARIOS
from mmscand_lab.standings import Run, load_runs, save_runs

MakeResult = Callable[..., Result]
Guest = Callable[[Sequence[str], Path], int]
Steps = list[tuple[str, Sample | None]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Guest], None]:
    """Make a function take the guest's place."""

    def place(guest: Guest) -> None:
        def run(argv: Sequence[str], *, results: Path, **_: object) -> int:
            return guest(argv, results)

        kernel = GuestKernel("6.12.0", Path("/nonexistent"))
        monkeypatch.setattr(experiment, "run_in_guest", run)
        monkeypatch.setattr(experiment, "ensure_packages", lambda: None)
        monkeypatch.setattr(experiment, "fetch_kernel", lambda: kernel)
        monkeypatch.setattr(experiment, "kvm_works", lambda kernel: False)
        monkeypatch.setattr(experiment.compileall, "compile_dir", lambda *_, **__: True)

    return place


def run(folder: Path, steps: Steps | None = None) -> Result:
    seen = [] if steps is None else steps
    return experiment.run_scenario(
        SCENARIOS["quick"], folder, progress=lambda *step: seen.append(step)
    )


def test_result_comes_home_and_progress_on_the_way(
    install: Callable[[Guest], None], make_result: MakeResult, tmp_path: Path
) -> None:
    result, steps = make_result(), Steps()
    during: list[int] = []

    def guest(argv: Sequence[str], folder: Path) -> int:
        assert argv[1:4] == ["-m", "mmscand_lab.inside", "quick"]
        assert argv[6:8] == ["--accelerator", "emulation"]
        log = SampleLog(folder)
        log.add("fill")
        deadline = time.monotonic() + 10
        while not any(sample for _, sample in steps) and time.monotonic() < deadline:
            time.sleep(0.01)
        during.append(sum(sample is not None for _, sample in steps))
        log.add("after", 1.0)
        log.close()
        results_of.save(result, folder / RESULT)
        return 0

    install(guest)
    assert run(tmp_path / "results", steps) == result
    assert during == [1]  # it came while the guest was running
    assert [sample.phase for _, sample in steps if sample] == ["fill", "after"]
    assert "booting 6.12.0 (emulation)" in [text for text, _ in steps]


def test_the_guest_gets_slow_memory_if_it_is_emulated_and_there_is_a_compiler(
    install: Callable[[Guest], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[tuple[bool, bool]] = []

    def guest(argv: Sequence[str], *, qemu: Sequence[str], **_: object) -> int:
        given.append(("--slow-memory" in argv, "-plugin" in qemu))
        raise LabError("enough", hint="none")

    install(lambda argv, folder: 1)
    monkeypatch.setattr(experiment, "run_in_guest", guest)
    steps = Steps()
    for plugin, kvm in ((["-plugin"], False), (["-plugin"], True), (None, False)):
        monkeypatch.setattr(experiment.slowmem, "prepare", lambda *_, made=plugin: made)
        monkeypatch.setattr(experiment, "kvm_works", lambda kernel, works=kvm: works)
        with pytest.raises(LabError, match="enough"):
            run(tmp_path, steps)
    assert given == [(True, True), (False, False), (False, False)]
    assert any("no compiler" in text for text, _ in steps)


def test_a_scenario_may_have_a_kernel_of_its_own_and_a_test_a_brief_run(
    install: Callable[[Guest], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[tuple[str, bool]] = []

    def guest(argv: Sequence[str], *, kernel: GuestKernel, **_: object) -> int:
        given.append((kernel.release, "--brief" in argv))
        raise LabError("enough", hint="none")

    install(lambda argv, folder: 1)
    monkeypatch.setattr(experiment, "run_in_guest", guest)
    other = {"7": GuestKernel("7.3.4", Path("/nonexistent"))}
    monkeypatch.setattr(experiment, "fetch_series", other.__getitem__)
    for name, brief in (("quick", True), ("damon-stat", False)):
        with pytest.raises(LabError, match="enough"):
            experiment.run_scenario(SCENARIOS[name], tmp_path, brief=brief)
    assert given == [("6.12.0", True), ("7.3.4", False)]


def test_the_guest_runs_the_package_that_runs_here(
    install: Callable[[Guest], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(lambda argv, folder: 1)
    given: list[str] = []

    def guest(argv: Sequence[str], *, env: dict[str, str], **_: object) -> int:
        given.append(env["PYTHONPATH"])
        raise LabError("enough", hint="none")

    monkeypatch.setattr(experiment, "run_in_guest", guest)
    with pytest.raises(LabError, match="enough"):
        run(tmp_path)
    (path,) = given
    here = [Path(package.__file__ or "").parents[1] for package in (mmscand, mmscand_lab)]
    assert path.split(":") == [str(folder) for folder in here]


def test_a_failed_command_is_an_error_with_its_last_words(
    install: Callable[[Guest], None], tmp_path: Path
) -> None:
    def guest(argv: Sequence[str], folder: Path) -> int:
        (folder / "stderr.txt").write_text("noise\ninside: no slow tier\n")
        return 3

    install(guest)
    with pytest.raises(LabError, match="no slow tier") as caught:
        run(tmp_path)
    assert str(tmp_path) in caught.value.hint


def test_the_result_of_an_earlier_run_is_not_taken_for_this_one(
    install: Callable[[Guest], None], tmp_path: Path
) -> None:
    (tmp_path / RESULT).write_text("{}")
    (tmp_path / SAMPLES).write_text(json.dumps({"at": 1.0}) + "\n")
    install(lambda argv, folder: 0)
    with pytest.raises(LabError, match="no result"):
        run(tmp_path)


def test_the_followers_thread_ends_when_the_guest_raises(
    install: Callable[[Guest], None], tmp_path: Path
) -> None:
    def guest(argv: Sequence[str], folder: Path) -> int:
        raise LabError("lost", hint="none")

    install(guest)
    with pytest.raises(LabError, match="lost"):
        run(tmp_path)
    assert not [t for t in experiment.threading.enumerate() if t.name == "lab-follow"]


def test_a_contest_reports_of_each_run_and_keeps_those_of_before(
    install: Callable[[Guest], None], tmp_path: Path
) -> None:
    steps, before = Steps(), Run("gups", "damon", 1, {"cpu_s": 1.0})
    save_runs(tmp_path, [before])

    def guest(argv: Sequence[str], folder: Path) -> int:
        assert argv[1:4] == ["-m", "mmscand_lab.numa", "mmscand_lab.contest"]
        assert argv[6] == "--slow-memory"
        assert argv[10:] == [
            *("--workloads", "gups", "--policies", "damon", "mmscand"),
            *("--seeds", "1", "2"),
        ]
        (folder / STDOUT).write_text("1 of 3: gups, mmscand, seed 1\n")
        save_runs(folder, [*load_runs(folder), Run("gups", "mmscand", 1, {"cpu_s": 2.0})])
        return 0

    install(guest)
    runs = experiment.run_contest(
        tmp_path,
        ["gups"],
        ["damon", "mmscand"],
        [1, 2],
        progress=lambda *step: steps.append(step),
    )
    assert [run.policy for run in runs] == ["damon", "mmscand"]
    assert [state for state, _ in steps][-1] == "1 of 3: gups, mmscand, seed 1"
    assert "3 runs" in steps[0][0]


def test_a_contest_that_has_all_its_runs_boots_nothing(
    install: Callable[[Guest], None], tmp_path: Path
) -> None:
    install(lambda argv, folder: pytest.fail("booted"))
    save_runs(tmp_path, [Run("gups", "damon", 1, {"cpu_s": 1.0})])
    assert len(experiment.run_contest(tmp_path, ["gups"], ["damon"], [1])) == 1


def test_a_load_that_lacks_its_program_is_reported_before_the_guest_boots(
    install: Callable[[Guest], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(lambda argv, folder: pytest.fail("booted"))

    def lacking() -> None:
        raise LabError("no such program")

    loads = {"one": replace(experiment.LOADS["gups"], needs=lacking)}
    monkeypatch.setattr(experiment, "LOADS", loads)
    with pytest.raises(LabError, match="no such program"):
        experiment.run_contest(tmp_path, ["one"], ["nothing"], [1])
