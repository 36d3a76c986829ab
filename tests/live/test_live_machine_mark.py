"""One daemon a machine, whatever namespaces the other one is in."""

import os
import subprocess
import sys

import pytest

from mmscand.errors import MmscandError
from mmscand.linux.machine_mark import marks, only_daemon

_HOLD = """
import os, sys
from mmscand.linux.machine_mark import only_daemon
with only_daemon():
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""
_CONTAINER = ["unshare", "--mount", "--net", "--ipc", "--uts", "--cgroup"]


@pytest.fixture
def free() -> None:
    """Nobody holds a mark: else this machine runs a daemon."""
    if list(marks()):
        pytest.skip("a daemon runs on this machine")


@pytest.mark.usefixtures("free")
def test_a_daemon_in_a_container_is_found_by_its_pid_and_its_mark_goes_with_it() -> None:
    other = subprocess.Popen(
        [*_CONTAINER, sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        assert [pid for _, pid in marks()] == [pid]
        with pytest.raises(MmscandError, match=f"already runs as pid {pid}"), only_daemon():
            pytest.fail("two of them run")
        assert [pid for _, pid in marks()] == [pid]  # the other one goes on
    finally:
        other.kill()
        other.communicate()
    with only_daemon():
        assert [pid for _, pid in marks()] == [os.getpid()]
    assert list(marks()) == []
