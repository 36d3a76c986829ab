"""Where the command is, and what a service could not start."""

import shutil
import sys
from pathlib import Path

import pytest

from mmscand.errors import UsageError
from mmscand.service.program import program_of, started_from

UNIT = "[Service]\n# ExecStart=/usr/bin/env x\nExecStart=/usr/bin/env mmscand run --json\nNice=5\n"


def test_a_unit_starts_the_command_of_this_folder() -> None:
    unit = started_from(UNIT, Path("/opt/mmscand/bin/mmscand"))
    assert unit == UNIT.replace("\nExecStart=/usr/bin/env ", "\nExecStart=/opt/mmscand/bin/")


@pytest.mark.parametrize(
    ("folder", "written"),
    [("/opt/50%", "/opt/50%%/mmscand run"), ("/opt/my tools", '"/opt/my tools/mmscand" run')],
)
def test_a_path_is_written_as_systemd_reads_it(folder: str, written: str) -> None:
    unit = started_from(UNIT, Path(folder) / "mmscand")
    assert f"\nExecStart={written} --json\n" in unit


@pytest.mark.parametrize("folder", ['/opt/"a"', "/opt/a\nExecStart=/bin/sh", "/opt/a\\b"])
def test_a_path_that_systemd_would_read_otherwise_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="plain name"):
        started_from(UNIT, Path(folder) / "mmscand")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed command below a root that has its interpreter."""
    bin_folder = tmp_path / "opt/mmscand/bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "mmscand").write_text("")
    (bin_folder / "python").write_text("")
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    return bin_folder / "mmscand"


def test_a_command_in_a_root_is_where_that_machine_has_it(command: Path, tmp_path: Path) -> None:
    link = tmp_path / "usr/local/bin/mmscand"
    link.parent.mkdir(parents=True)
    link.symlink_to(command)
    for argument in (command, link):
        assert program_of(str(argument), tmp_path) == Path("/opt/mmscand/bin/mmscand")


def test_a_module_is_its_command(command: Path, tmp_path: Path) -> None:
    main = tmp_path / "opt/mmscand/lib/mmscand/__main__.py"
    assert program_of(str(main), tmp_path) == Path("/opt/mmscand/bin/mmscand")


def test_what_is_no_command_is_refused(command: Path, tmp_path: Path) -> None:
    command.unlink()
    with pytest.raises(UsageError, match="--program"):
        program_of("-c", tmp_path)


@pytest.mark.parametrize("folder", ["home/me", "root", "tmp", "var/tmp"])
def test_what_a_service_does_not_see_is_refused(command: Path, tmp_path: Path, folder: str) -> None:
    hidden = tmp_path / folder / "bin"
    hidden.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(command.parent, hidden)
    with pytest.raises(UsageError, match="does not see"):
        program_of(str(hidden / "mmscand"), tmp_path)


def test_an_interpreter_that_a_service_does_not_see_is_refused(
    command: Path, tmp_path: Path
) -> None:
    """As pyenv has it: the environment is in /opt, and its interpreter is a link into /root."""
    python = tmp_path / "root/.pyenv/bin/python"
    python.parent.mkdir(parents=True)
    command.with_name("python").rename(python)
    command.with_name("python").symlink_to(python)
    with pytest.raises(UsageError, match="does not see /root"):
        program_of(str(command), tmp_path)
