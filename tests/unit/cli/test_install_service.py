"""`mmscand install-service` as an administrator calls it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mmscand.cli import install_service
from mmscand.cli.app import main

PROGRAM = "--program=/opt/mmscand/bin/mmscand"


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_it_says_what_it_does_and_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install-service", f"--root={tmp_path}", PROGRAM, "--api"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"writes {tmp_path}/etc/mmscand.toml" in lines
    assert lines[-2].endswith("`systemd-sysusers /usr/local/lib/sysusers.d/mmscand-api.conf`")
    assert lines[-1].startswith("next: `mmscand check`")
    assert main(["install-service", f"--root={tmp_path}", PROGRAM, "--api", "--remove"]) == 0
    assert f"removes {tmp_path}/etc/mmscand.toml" in capsys.readouterr().out.splitlines()


def test_a_dry_run_says_the_same_and_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install-service", f"--root={tmp_path}", PROGRAM, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"(dry run) writes {tmp_path}/etc/mmscand.toml" in lines
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="drops root's rights")
def test_a_user_without_root_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    with as_nobody():
        assert main(["install-service", PROGRAM]) == 3
    assert capsys.readouterr().err == (
        "mmscand: only root installs a service: run it with sudo, or give --root\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="drops root's rights")
def test_a_folder_of_somebody_else_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    # What pytest makes is not even seen by others.
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with as_nobody():
            assert main(["install-service", f"--root={folder}", PROGRAM]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot write" in line
    assert "Permission denied" in line


def test_without_systemd_it_says_what_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install_service, "_BOOTED", tmp_path / "none")
    assert main(["install-service", PROGRAM]) == 3
    assert "systemd does not run this machine" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--root=/no/such/folder", "--prefix=usr", "--program=mmscand"])
def test_a_wrong_path_is_one_line(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-service", "--dry-run", option]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
