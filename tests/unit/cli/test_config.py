"""`mmscand config check`, `diff` and `schema`."""

import json
from pathlib import Path

import pytest

from mmscand.cli import config
from mmscand.cli.app import main
from mmscand.control.listener import ControlServer
from support.fake_daemon import FakeDaemon


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize(
    ("text", "code"), [("[[rule]]\nuid = 1\n[[rule]]\nuid = 1", 0), ("a = 1\nb = 2", 2)]
)
def test_check_says_what_check_with_config_says(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    code: int,
    options: tuple[str, ...],
) -> None:
    file.write_text(text)
    assert main(["config", "check", str(file), *options]) == code
    said = capsys.readouterr()
    assert main(["check", "--config", str(file), *options]) == code
    assert said == capsys.readouterr()


def test_a_file_that_is_missing_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(file)]) == 2
    assert "no such file" in capsys.readouterr().err


def test_without_a_file_it_is_that_of_the_service(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config.check.params[0], "default", file)
    file.write_text("[settings]\nno_knob = 1")
    assert main(["config", "check"]) == 2
    assert str(file) in capsys.readouterr().err


def test_diff_changes_nothing(
    server: ControlServer,
    socket_path: Path,
    daemon: FakeDaemon,
    file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file.write_text("[settings]\nhot_passes = 3\nscan_sleep_ms = 30")
    before = daemon.settings.current
    command = ["config", "diff", str(file), "--socket", str(socket_path)]
    assert main(command) == 0
    changes = [
        "scan_sleep_ms 0 became 30",
        "rule name=^app was removed, it had aggressiveness 8",
    ]
    assert capsys.readouterr().out.splitlines() == changes
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"changes": changes}
    assert (daemon.settings.current, daemon.reloads) == (before, 0)
    file.write_text("[settings]\nhot_passes = 3\n[[rule]]\nname = '^app'\naggressiveness = 8")
    assert main(command) == 0
    assert capsys.readouterr().out == "nothing would change\n"
    file.write_text("[settings]\nhot_passes = 'x'")
    assert main(command) == 2


def test_diff_says_that_other_nodes_take_a_restart(
    server: ControlServer, socket_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        "[settings]\nhot_passes = 3\n[nodes]\nslow = '1'\n"
        "[[rule]]\nname = '^app'\naggressiveness = 8"
    )
    assert main(["config", "diff", str(file), "--socket", str(socket_path)]) == 0
    said = capsys.readouterr().out
    assert said == "fast and slow nodes change when mmscand is started again\n"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_node_that_is_not_there_is_a_warning(
    file: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """Its memory may come online later, and a service waits for it."""
    file.write_text("[nodes]\nslow = '77'")
    assert main(["config", "check", str(file), *options]) == 0
    assert "nodes: no node 77 with memory: this machine has [" in capsys.readouterr().out


def test_diff_without_a_daemon_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "diff", "--socket", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_a_command_that_is_missing_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
