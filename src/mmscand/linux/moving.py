"""Moving pages by move_pages(2), and finding out what really became of each.

The call stops at the first run of pages in which one could not be moved: it says how many are left,
writes no status for that run, although most of it did move, and never tries what comes after
(do_pages_move, mm/migrate.c). One pinned page would so keep a whole batch back. So the kernel is
asked where the pages without an answer are, and the rest is tried again.
"""

import errno
from collections.abc import Callable

import numpy as np

from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.linux.call_size import CallSize
from mmscand.linux.syscalls import NOT_WRITTEN, move_pages
from mmscand.model import IntArray, UIntArray


def nodes(pid: int, addresses: UIntArray) -> IntArray:
    """The node that each page is on now, or a negative errno: ENOENT, or EFAULT."""
    result, found = move_pages(pid, addresses, None)
    _raise_fatal(pid, result)
    found[found == NOT_WRITTEN] = min(result, -errno.EFAULT)
    return found


_FIRST_SLOTS, _MOST_SLOTS = 64, 65_536
"""Of a call: 0.1 ms at 1.2-2.5 us a page, and 0.1 s."""


def move_size() -> CallSize:
    """How many slots the next call may take."""
    return CallSize(_FIRST_SLOTS, _MOST_SLOTS)


def move(
    pid: int,
    addresses: UIntArray,
    node: int,
    size: CallSize,
    *,
    shared: bool = False,
    before: Callable[[], None] = lambda: None,
) -> IntArray:
    """The node that each page is on now, or a negative errno: EBUSY for one that would not move.

    `before` is called before each call: a process may exit between two, and its pid be another's.
    EACCES for those that other processes map too, unless `shared`.
    """
    status = np.full(len(addresses), NOT_WRITTEN, dtype=np.int32)
    first = 0
    while first < len(addresses):
        part = addresses[first : first + size.size]
        with size.timed(len(part)):
            result, found = move_pages(pid, part, node, shared=shared, before=before)
        _raise_fatal(pid, result)
        _ask_again(pid, part, found, node)
        failure = -errno.EBUSY if result >= 0 else result
        done = _settled(found, failure)
        status[first : first + done] = found[:done]
        first += done
    return status


def _raise_fatal(pid: int, result: int) -> None:
    if -result == errno.ESRCH:
        raise ProcessGone(pid)
    if -result == errno.EPERM:
        raise ProcessDenied(pid, "move", "CAP_SYS_PTRACE")


def _ask_again(pid: int, addresses: UIntArray, found: IntArray, node: int) -> None:
    """Where pages are that nothing was reported of, or that read busy: parts of a large folio that
    moved with its first page do.
    """
    unsure = (found == NOT_WRITTEN) | (found == -errno.EBUSY)
    if unsure.any():
        result, now = move_pages(pid, addresses[unsure], None)
        _raise_fatal(pid, result)
        found[unsure] = np.where(now == node, node, found[unsure])


def _settled(found: IntArray, failure: int) -> int:
    """How many entries from the front are settled now; those that were passed over have failed.

    Behind the last one with a status nothing was tried, unless none has one: then the
    whole rest fails, so that the loop ends.
    """
    known = np.flatnonzero(found != NOT_WRITTEN)
    if len(known) == len(found):
        return len(found)
    if not len(known):
        found[:] = failure
        return len(found)
    done = int(known[-1]) + 1
    front = found[:done]
    front[front == NOT_WRITTEN] = failure
    return done
