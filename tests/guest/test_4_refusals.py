"""What a user sees that asks for the impossible: one line, what to do, the documented code."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmscand.cli.app import main
from support.guest_world import nodes_to_name

LOCKDOWN = Path("/sys/kernel/security/lockdown")


def mmscand(*arguments: str, prefix: tuple[str, ...] = ()) -> tuple[int, str, str]:
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "mmscand", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def assert_one_line(text: str) -> None:
    assert text.startswith("mmscand: ")
    assert text.count("\n") == 1


@pytest.mark.area("check")
def test_check_says_that_run_would_work_here() -> None:
    named = nodes_to_name()
    code, out, complaints = mmscand("check", *(["--slow-nodes", named] if named else []))
    assert (code, complaints) == (0, "")
    assert "reading" in out
    assert "NOT OK" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "--pid", "4194303"), 2, "no process 4194303"),
        (("run", "--match", "("), 2, "no Python regular expression"),
        (("run", "--slow-nodes", "9"), 2, "no node 9"),
        (("run", "--slow-nodes", "1", "--fast-nodes", "1"), 2, "fast and slow"),
        (("run", "--slow-nodes", ""), 2, "not a list"),
        (("run", "--fast-nodes", "0,1"), 3, "no slow tier"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(arguments)) == code
    complaints = capsys.readouterr().err
    assert_one_line(complaints)
    assert words in complaints


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        (("setpriv", "--reuid", "65534", "--clear-groups"), "run as root"),
        (("setpriv", "--bounding-set", "-sys_admin"), "CAP_SYS_ADMIN"),
        (("setpriv", "--bounding-set", "-sys_ptrace"), "CAP_SYS_PTRACE"),
        (("setpriv", "--bounding-set", "-sys_nice"), "CAP_SYS_NICE"),
    ],
)
def test_missing_privileges_are_named(prefix: tuple[str, ...], words: str) -> None:
    code, _, complaints = mmscand("run", prefix=prefix)
    assert code == 3
    assert_one_line(complaints)
    assert words in complaints


def test_zz_a_kernel_that_is_locked_down(tmp_path: Path) -> None:
    """The last test: lockdown cannot be taken back before the next boot."""
    subprocess.run(["mount", "-t", "securityfs", "none", "/sys/kernel/security"], check=False)
    if not LOCKDOWN.exists():
        pytest.skip("this kernel has no lockdown")
    LOCKDOWN.write_text("confidentiality")
    code, _, complaints = mmscand("run")
    assert code == 3
    assert_one_line(complaints)
    assert "lockdown" in complaints
    code, table, _ = mmscand("check")
    assert code == 3
    assert table.count("lockdown") >= 2
