"""`mmscand lab`: what goes wrong is one line, and heavy modules stay out of the daemon."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand_lab import command as lab
from mmscand_lab import experiment
from mmscand_lab.result import Result

MakeResult = Callable[..., Result]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, recorded: Path) -> Callable[[Result], Path]:
    """Make every experiment give this result; the folder holds its recordings."""

    def install(result: Result) -> Path:
        monkeypatch.setattr(experiment, "run_scenario", lambda *_, **__: result)
        return recorded

    return install


def arguments(folder: Path) -> list[str]:
    return ["lab", "run", "random", "--results", str(folder), "--json", str(folder / "f.json")]


def test_a_kept_promise_exits_0_and_writes_both_files(
    measured: Callable[[Result], Path],
    make_result: MakeResult,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = measured(make_result())
    assert main(arguments(folder)) == 0
    assert (folder / "picture.png").exists()
    assert '"ok": true' in (folder / "f.json").read_text()
    assert str(folder / "picture.png") in capsys.readouterr().out


def test_a_broken_promise_exits_1_after_the_table(
    measured: Callable[[Result], Path],
    make_result: MakeResult,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = measured(make_result(hot_promoted_share=0.5))
    assert main(arguments(folder)) == 1
    said = capsys.readouterr()
    assert "short" in said.out
    assert said.err.count("\n") == 1
    assert "50.000% of the hot pages" in said.err
    assert (folder / "picture.png").exists()


def test_a_missing_extra_is_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "_EXTRA", {"no_such_module": "no-such-package", "json": ""})
    assert main(["lab", "demo"]) == 3
    assert capsys.readouterr().err == (
        "mmscand: the lab needs no-such-package, not installed here: pip install 'mmscand[lab]'\n"
    )


@pytest.mark.parametrize("option", ["--json", "--picture"])
def test_a_file_that_cannot_be_written_is_said_before_the_experiment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main(["lab", "run", "quick", "--results", str(tmp_path), option, str(tmp_path)]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_unknown_scenario_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "run", "nope"]) == 2
    assert "random, thp, range, small" in capsys.readouterr().err


def test_the_command_line_imports_nothing_of_the_lab() -> None:
    code = "import sys, mmscand.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = ("rich", "matplotlib", "psutil", "virtme_ng", "mmscand_lab")
    loaded = set(done.stdout.split())
    assert not [name for name in heavy if name in loaded]


def test_lab_alone_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab"]) == 0
    out, complaint = capsys.readouterr()
    assert (complaint, out.count("\n") > 10, "postgres" in out) == ("", True, True)


def test_help_names_the_folder_that_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "postgres", "--help"]) == 0
    assert "out/postgres" in capsys.readouterr().out
