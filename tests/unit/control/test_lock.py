"""The lock: who has it, or why it cannot be taken."""

import errno
import fcntl
import json
import os
import socket
from pathlib import Path

import pytest

from mmscand.control.causes import who_may
from mmscand.control.lock import DaemonLock
from mmscand.control.unix_socket import ELSEWHERE, listen
from mmscand.errors import MachineCannot, MmscandError

CAUSES = [
    (errno.EACCES, 3, "Permission denied: only root may, or name another socket"),
    (errno.EROFS, 3, "Read-only file system: it is on a file system that is read-only"),
    (errno.EMFILE, 1, "Too many open files: raise the limit of open files"),
    (errno.ENOSPC, 1, "No space left on device: free some room there"),
    (errno.EIO, 3, "Input/output error: or name another socket"),
]


def failing(number: int) -> object:
    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["open", "ftruncate", "pwrite"])
@pytest.mark.parametrize(("number", "code", "words"), CAUSES)
def test_a_lock_that_cannot_be_taken_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: int, words: str
) -> None:
    monkeypatch.setattr("mmscand.control.causes.who_may", lambda path: "root")
    path = tmp_path / "lock"
    with monkeypatch.context() as broken:
        broken.setattr(os, call, failing(number))
        with pytest.raises(MmscandError) as refused:
            DaemonLock(path, ELSEWHERE).acquire("x")
    assert str(refused.value).startswith(f"cannot write {path}: {words}")
    assert refused.value.exit_code == code
    assert not path.exists()
    lock = DaemonLock(path)  # nothing was left behind
    lock.acquire("x")
    lock.release()


@pytest.mark.parametrize(("number", "code", "words"), CAUSES)
def test_a_socket_that_cannot_be_made_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int, words: str
) -> None:
    monkeypatch.setattr("mmscand.control.causes.who_may", lambda path: "root")
    monkeypatch.setattr(socket.socket, "bind", failing(number))
    with pytest.raises(MmscandError) as refused:
        listen(tmp_path / "s", None)
    assert str(refused.value).startswith(f"cannot listen on {tmp_path / 's'}: {words}")
    assert refused.value.exit_code == code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is just starting, or another program holds"),
        ("[]", "is just starting, or another program holds"),
        (json.dumps({"pid": 1 << 22, "serves": "/s", "started": "x"}), "another program holds"),
        (
            json.dumps({"pid": os.getpid(), "serves": "/s", "started": "x"}),
            f"as pid {os.getpid()} on /s since x: stop it first (kill {os.getpid()}), or use it: "
            "`mmscand status --socket /s`",
        ),
        (
            json.dumps({"pid": os.getpid(), "serves": "no socket", "started": "x"}),
            f"on no socket since x: stop it first (kill {os.getpid()})",
        ),
    ],
    ids=["empty", "no-object", "gone", "socket", "no-socket"],
)
def test_a_lock_that_is_taken_says_who_has_it(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "lock"
    path.write_text(text)
    with path.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(MmscandError) as refused:
            DaemonLock(path).acquire("x")
    assert words in str(refused.value)
    assert ("status" in str(refused.value)) is ("/s" in words)
    assert refused.value.exit_code == 1


def test_users_and_groups_that_may_use_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("")
    path.chmod(0o600)
    assert who_may(path).startswith("root")
    assert who_may(path / "below") == who_may(path)
    if os.getuid() == 0:
        os.chown(path, 1, 4)
        path.chmod(0o660)
        assert who_may(path) == "root and daemon and the group adm"
        os.chown(path, 0, 0)
        assert who_may(path) == "root"


def test_a_folder_that_one_may_not_look_into_is_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "lstat", failing(errno.EACCES))
    with pytest.raises(MachineCannot, match=r"cannot look at .*: only .* may, or name another"):
        listen(tmp_path / "s", None)
