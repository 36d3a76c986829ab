"""Aging and moving, tried before the first process."""

import errno
import os

import numpy as np
import pytest

from mmscand.errors import MachineCannot, TooManyOpenFiles
from mmscand.linux import trials
from mmscand.linux.syscalls import NOT_WRITTEN
from mmscand.model import IntArray


def test_here_both_work() -> None:
    trials.require_working()


@pytest.mark.parametrize("call", ["pidfd_open", "process_madvise"])
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM, errno.EINVAL])
def test_aging_that_is_refused_is_reported_with_the_call(
    monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(trials, call, refuse)
    with pytest.raises(MachineCannot, match=rf"{call}\(2\): {os.strerror(code)}"):
        trials.require_working()


def test_without_descriptors_it_is_not_the_machine_that_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(trials, "pidfd_open", refuse)
    with pytest.raises(TooManyOpenFiles):
        trials.require_working()


@pytest.mark.parametrize("asks", [True, False], ids=["asking", "moving"])
@pytest.mark.parametrize("whole", [True, False], ids=["the call", "the page"])
def test_moving_that_is_refused_is_reported_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, asks: bool, whole: bool
) -> None:
    """The status of a page says nothing when the whole call failed: that read "Unknown error"."""

    def move_pages(pid: int, addresses: object, node: int | None) -> tuple[int, IntArray]:
        if asks is not (node is None):
            return 0, np.zeros(1, dtype=np.int32)
        status = np.array([NOT_WRITTEN if whole else -errno.EPERM], dtype=np.int32)
        return (-errno.EPERM if whole else 0), status

    monkeypatch.setattr(trials, "move_pages", move_pages)
    with pytest.raises(MachineCannot, match="Operation not permitted"):
        trials.require_working()
