"""The socket that systemd hands over."""

import os
import socket
from pathlib import Path

import pytest

from mmscand.api.sockets import inherited
from mmscand.errors import UsageError


def handed(count: str = "1", pid: int | None = None) -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid() if pid is None else pid), "LISTEN_FDS": count}


def test_it_is_that_of_systemd_where_there_is_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(tmp_path / "s"))
        number = os.dup(theirs.fileno())
        os.set_inheritable(number, True)  # as over execve
        found = inherited(handed(), number)
        assert found is not None
        with found:
            assert found.getsockname() == str(tmp_path / "s")
            assert not found.get_inheritable()


def test_where_nothing_is_handed_over_there_is_none() -> None:
    assert inherited({}) is None
    assert inherited(handed(pid=1)) is None  # it was our parent's


def test_what_is_no_unix_socket_is_refused() -> None:
    with socket.socket(socket.AF_INET) as theirs:
        for count, number in (("1", os.dup(theirs.fileno())), ("2", os.dup(theirs.fileno()))):
            with pytest.raises(UsageError, match="other sockets"):
                inherited(handed(count), number)
    with pytest.raises(UsageError, match="other sockets"):
        inherited(handed(), 9999)
