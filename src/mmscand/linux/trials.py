"""Aging and moving, tried on a page of our own: what a profile or a kernel refuses is said before
the first process, by `run` and `record` as by `check`.
"""

import os

import numpy as np

from mmscand.linux.readers import ProbeMapping
from mmscand.linux.surroundings import refused
from mmscand.linux.syscalls import MADV_COLD, move_pages, pidfd_open, process_madvise
from mmscand.model import PAGE_BYTES, IntArray

_MOVING = "move_pages(2)"
_NO_MIGRATION = "use a kernel with CONFIG_NUMA and CONFIG_MIGRATION"


def require_working() -> None:
    """MachineCannot says what does not work, and why."""
    try_aging()
    try_moving()


def try_aging() -> None:
    """MachineCannot where Accessed bits cannot be cleared."""
    probe, pidfd = ProbeMapping(1), _own_pidfd()
    try:
        process_madvise(pidfd, np.array([[probe.address, PAGE_BYTES]], dtype=np.uint64), MADV_COLD)
    except OSError as error:
        raise refused("process_madvise(2)", error, "use a kernel from 5.10 on") from None
    finally:
        os.close(pidfd)


def _own_pidfd() -> int:
    try:
        return pidfd_open(os.getpid())
    except OSError as error:
        raise refused("pidfd_open(2)", error, "use a kernel from 5.3 on") from None


def try_moving() -> None:
    """MachineCannot where pages cannot be moved: one is moved to the node that it is on."""
    probe = ProbeMapping(1)
    address = np.array([probe.address], dtype=np.uint64)
    result, found = move_pages(os.getpid(), address, None)
    node = _status(result, found)
    _status(*move_pages(os.getpid(), address, node))


def _status(result: int, found: IntArray) -> int:
    code = result if result < 0 else int(found[0])
    if code < 0:
        raise refused(_MOVING, OSError(-code, os.strerror(-code)), _NO_MIGRATION)
    return code
