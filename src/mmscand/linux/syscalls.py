"""Thin bindings of the system calls that Python has no name for (x86-64 numbers).

Each function is the call and its error, nothing more. Out of scope: retries, splitting, meaning.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from mmscand.linux.arch.numbers import (
    NR_BPF,
    NR_MOVE_PAGES,
    NR_PIDFD_OPEN,
    NR_PROCESS_MADVISE,
)
from mmscand.model import IntArray, UIntArray

# include/uapi/asm-generic/mman-common.h, include/uapi/linux/mempolicy.h
MADV_COLD, MADV_COLLAPSE = 20, 25
_MPOL_MF_MOVE, _MPOL_MF_MOVE_ALL = 1 << 1, 1 << 2
NOT_WRITTEN = -4096
"""No errno and no node: the kernel has not written this entry."""

_libc = ctypes.CDLL(None, use_errno=True)


def _bind(number: int, *argtypes: Any) -> Any:  # noqa: ANN401 - ctypes functions have no type
    # libc["syscall"] is a fresh function object, so each number has its own argtypes.
    function = _libc["syscall"]
    function.restype = ctypes.c_long
    function.argtypes = (ctypes.c_long, *argtypes)

    def call(*args: Any) -> int:  # noqa: ANN401
        result: int = function(number, *args)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    return call


_move_pages = _bind(
    NR_MOVE_PAGES,
    ctypes.c_int,
    ctypes.c_ulong,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
)
_bpf = _bind(NR_BPF, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
_pidfd_open = _bind(NR_PIDFD_OPEN, ctypes.c_int, ctypes.c_uint)
_process_madvise = _bind(
    NR_PROCESS_MADVISE,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_uint,
)


def pidfd_open(pid: int, flags: int = 0) -> int:
    """pidfd_open(2). Python has it only where it was built with headers of Linux 5.3."""
    result: int = _pidfd_open(pid, flags)
    return result


def process_madvise(pidfd: int, iovec: UIntArray, advice: int) -> int:
    """process_madvise(2): `iovec` is (n, 2) of address and length in bytes; bytes advised."""
    iovec = np.ascontiguousarray(iovec, dtype=np.uint64)
    result: int = _process_madvise(pidfd, iovec.ctypes.data, len(iovec), advice, 0)
    return result


def move_pages(
    pid: int,
    addresses: UIntArray,
    node: int | None,
    *,
    shared: bool = False,
    before: Callable[[], None] = lambda: None,
) -> tuple[int, IntArray]:
    """move_pages(2); `node` None only asks where the pages are.

    The call goes by pid, so `before` is called right before it, to raise if the process has exited.
    Pages that other processes map too are moved only if `shared`, which needs CAP_SYS_NICE.
    What the call returned (pages that did not move, or a negative errno), and the status of each
    page as the kernel wrote it: a node, a negative errno, or NOT_WRITTEN where it wrote nothing.
    """
    addresses = np.ascontiguousarray(addresses, dtype=np.uint64)
    status: IntArray = np.full(len(addresses), NOT_WRITTEN, dtype=np.int32)
    nodes = None if node is None else np.full(len(addresses), node, dtype=np.int32)
    pointers = addresses.ctypes.data, None if nodes is None else nodes.ctypes.data
    pages, written, flags = len(addresses), status.ctypes.data, _MPOL_MF_MOVE
    if shared:
        flags = _MPOL_MF_MOVE_ALL
    before()
    try:
        result: int = _move_pages(pid, pages, *pointers, written, flags)
    except OSError as error:
        result = -(error.errno or errno.EIO)
    return result, status


def bpf(command: int, attributes: bytearray) -> int:
    """bpf(2): `attributes` is the packed union bpf_attr, the kernel may write to it; a new
    descriptor or 0."""
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    result: int = _bpf(command, ctypes.addressof(buffer), len(attributes))
    return result
