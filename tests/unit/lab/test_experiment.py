"""The host's side, with a guest that only writes files."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mmscand.lab import experiment
from mmscand.lab import result as results_of
from mmscand.lab.kernel import GuestKernel, LabError
from mmscand.lab.result import RESULT, Result
from mmscand.lab.samples import SAMPLES, Sample, SampleLog
from mmscand.lab.scenario import SCENARIOS

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
        assert argv[1:4] == ["-m", "mmscand.lab.inside", "quick"]
        assert argv[-2:] == ["--accelerator", "emulation"]
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
    assert steps[1][0] == "booting 6.12.0 (emulation)"


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
