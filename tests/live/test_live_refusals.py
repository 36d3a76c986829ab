"""System calls that a real seccomp profile refuses, as containers and services have them."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmscand.linux.machine import LinuxMachine

SYS = {"move_pages": 279, "pidfd_open": 434, "process_madvise": 440}

# Classic BPF of seccomp(2): load the number; to the last line where it is one of these; allow; the
# errno (SECCOMP_RET_ERRNO).
_FILTERED = """
import ctypes, os, struct, sys
numbers, code, command = eval(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
lines = [(0x20, 0, 0, 0)]
lines += [(0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
lines += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | code)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
header = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.create_string_buffer(header), 0, 0) == 0  # PR_SET_SECCOMP
os.execv(sys.executable, [sys.executable, "-m", "mmscand", *command])
"""


def mmscand(refused: str, errno: int, *command: str) -> subprocess.CompletedProcess[str]:
    """`mmscand` under a profile that answers this system call with an errno."""
    argv = [sys.executable, "-c", _FILTERED, f"[{SYS[refused]}]", str(errno), *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("errno", [1, 38], ids=["EPERM", "ENOSYS"])
@pytest.mark.parametrize("call", ["process_madvise", "pidfd_open"])
def test_a_recording_does_not_begin_where_nothing_can_be_aged(
    tmp_path: Path, call: str, errno: int
) -> None:
    done = mmscand(call, errno, "record", str(tmp_path / "r"), "--seconds", "1")
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.splitlines()
    assert call in line
    assert "seccomp" in line
    assert not (tmp_path / "r").exists()


@pytest.mark.usefixtures("machine")
def test_a_recording_does_not_begin_in_another_namespace(tmp_path: Path) -> None:
    """In a pid namespace of its own all else works, and pids are others."""
    argv = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "mmscand"]
    done = subprocess.run(
        [*argv, "record", str(tmp_path / "r"), "--seconds", "1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "in another pid namespace processes have other pids" in done.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("call", "row"), [("process_madvise", "aging"), ("move_pages", "moving")])
def test_check_names_the_call_and_the_profile(call: str, row: str) -> None:
    reported = mmscand(call, 1, "check").stdout.splitlines()
    (line,) = [line for line in reported if line.startswith(row)]
    assert "NOT OK" in line
    assert call in line
    assert "seccomp" in line
    assert f"allow {call} in the profile" in reported[reported.index(line) + 1]


def test_without_a_profile_both_work(machine: LinuxMachine) -> None:
    """Else the tests above would pass where nothing works."""
    assert machine.reader
    reported = subprocess.run(
        [sys.executable, "-m", "mmscand", "check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout.splitlines()
    for row in ("aging", "moving"):
        (line,) = [line for line in reported if line.startswith(row)]
        assert line.split()[1] == "ok"
