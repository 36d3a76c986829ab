"""`mmscand heat`: the command line, and what a terminal can show."""

import io
import os
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand.cli.terminal import terminal_of
from mmscand.control.listener import ControlServer
from support.sim_daemon import HOT, tiers
from unit.record.test_recorder import tape, touch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    world = tiers()
    world.vma.name = b"/srv/secret"
    world.process.cgroup = "/secret.slice"
    object.__setattr__(world.process.process, "name", "secretd")
    tape(world.machine, tmp_path / "app.mms", [touch(world, HOT)] * 3)
    return tmp_path / "app.mms"


def test_a_recording_is_drawn_in_eighty_columns(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["heat", "--from", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("secretd[100]: 8 MiB, 4 looks in ")
    assert lines[1].startswith("/srv/secret")
    assert max(map(len, lines)) <= 80
    assert len(lines) < 24
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("by", ["mapping", "process", "cgroup"])
def test_without_names_nothing_says_what_runs(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    pictures = [tmp_path / "a.svg", tmp_path / "a.html"]
    options = ["--svg", str(pictures[0]), "--html", str(pictures[1])]
    assert main(["heat", "--from", str(file), "--by", by, "--no-names", *options]) == 0
    assert main(["heat", "--from", str(file), "--by", by, "--no-names"]) == 0
    for text in (*(path.read_text() for path in pictures), capsys.readouterr().out):
        assert f"{by} 1" in text
        assert "secret" not in text


def test_files_are_written_and_nothing_is_drawn(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "new" / f"a.{kind}" for kind in ("png", "svg", "html")]
    options = [word for path in paths for word in (f"--{path.suffix[1:]}", str(path))]
    assert main(["heat", "100", "--from", str(file), *options]) == 0
    assert all(path.stat().st_size > 1000 for path in paths)
    assert "/srv/secret" in paths[2].read_text()
    assert capsys.readouterr().out.splitlines() == [f"wrote {path}" for path in paths]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "no process is named: give a PID"),
        (["7", "--by", "cgroup"], 2, "--by cgroup is for several processes"),
        (["7", "--socket", "/nowhere"], 1, "no daemon on /nowhere"),
        (["--from", "/etc/passwd"], 2, "is no recording"),
        (["--from", "/nowhere"], 2, "cannot read /nowhere"),
        (["7", "--svg", "/tmp"], 2, "cannot write /tmp"),
        (["7", "--scale", "log"], 2, "'log' is not one of"),
    ],
)
def test_each_mistake_is_a_line(
    arguments: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["heat", *arguments]) == code
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not captured.out


def test_a_picture_without_matplotlib_names_the_extra(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["heat", "--from", str(file), "--png", "/tmp/x.png"]) == 3
    assert "pip install 'mmscand[compare]'" in capsys.readouterr().err


def test_the_daemon_is_asked_over_its_socket(
    server: ControlServer, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["heat", "7", "--seconds", "0", "--socket", str(socket_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("app[7]: 6 MiB, 1 look from")
    assert "[heap]" in out
    assert "scale rank" in out
    assert main(["heat", "9", "--seconds", "0", "--socket", str(socket_path)]) == 2


class Tty(io.StringIO):
    encoding = "utf-8"

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self.encoding = encoding

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
        ({}, "none"),
    ],
)
def test_colours_are_those_of_the_terminal(environment: dict[str, str], colours: str) -> None:
    assert terminal_of(Tty(), environment).colours == colours
    assert terminal_of(io.StringIO(), environment).colours == "none"
    assert terminal_of(io.StringIO(), environment, "16").colours == "16"


def test_size_and_letters_are_those_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"COLUMNS": "133", "LINES": "50"})
    found = terminal_of(Tty("ascii"), {})
    assert (found.columns, found.lines, found.unicode) == (133, 50, False)
    assert terminal_of(Tty(), {}).unicode
