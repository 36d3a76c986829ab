"""`mmscand lab run busy-server` with a guest that only writes a result."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand_lab import busy_experiment, experiment, guest_modules
from mmscand_lab.busy_result import BusyResult
from mmscand_lab.kernel import GuestKernel
from mmscand_lab.pg_cluster import ARCHIVE
from unit.lab.test_busy_result import GOOD, with_story

Install = Callable[[BusyResult], list[list[str]]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Make every guest write this result; gives the commands that guests were given."""
    given: list[list[str]] = []

    def place(result: BusyResult) -> list[list[str]]:
        def run(argv: Sequence[str], *, results: Path, kvm: bool, **_: object) -> int:
            assert not kvm
            given.append(list(argv))
            result.save(results)
            return 0

        monkeypatch.setattr(experiment, "run_in_guest", run)
        return given

    module = tmp_path / "kvm.ko.xz"
    module.write_text("a module")
    kernel = GuestKernel("6.12.0", Path("/nonexistent"))
    monkeypatch.setattr(experiment.compileall, "compile_dir", lambda *_, **__: True)
    monkeypatch.setattr(busy_experiment, "ensure_packages", lambda: None)
    monkeypatch.setattr(busy_experiment, "fetch_kernel", lambda: kernel)
    monkeypatch.setattr(guest_modules, "module_files", lambda kernel, name: [module, module])
    monkeypatch.setattr(busy_experiment, "work_s", lambda: 0.01)
    monkeypatch.setattr(
        busy_experiment, "make_archive", lambda results, _: (results / ARCHIVE).touch()
    )
    return place


def arguments(folder: Path) -> list[str]:
    return ["lab", "run", "busy-server", "--results", str(folder / "r")]


def test_what_is_kept_exits_0_with_the_table_and_the_figures(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = install(GOOD)
    assert main([*arguments(tmp_path), "--json", str(tmp_path / "f.json")]) == 0
    assert json.loads((tmp_path / "f.json").read_text())["ok"] is True
    assert "hot pages up" in capsys.readouterr().out
    (argv,) = given
    assert argv[1:4] == ["-m", "mmscand_lab.busy", "--results"]
    figures = ["--native-s", "0.01", "--percent", "1", "--burst-s", "20", "--accesses", "100"]
    assert argv[5:] == figures


def test_the_kernels_modules_are_numbered_in_the_order_of_loading(
    install: Install, tmp_path: Path
) -> None:
    install(GOOD)
    for _ in range(2):  # also over an earlier run's
        main(arguments(tmp_path))
    names = sorted(path.name for path in (tmp_path / "r" / "modules-kvm-amd").iterdir())
    assert names == ["0-kvm.ko.xz", "1-kvm.ko.xz"]


def test_what_falls_short_exits_1_and_is_named(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(with_story(kvm_reason=""))
    assert main(arguments(tmp_path)) == 1
    said = capsys.readouterr()
    assert "short" in said.out
    assert said.err.count("\n") == 1
    assert "KVM machine's owner" in said.err


def test_it_draws_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments(tmp_path), "--picture", "p.png"]) == 2
    assert "--picture" in capsys.readouterr().err


def test_it_is_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "list"]) == 0
    assert "busy-server" in capsys.readouterr().out
