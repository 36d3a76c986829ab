"""The BPF reader: one run of a tiny program copies up to 512 page-table pages.

Addresses and pages are in maps that this process has mapped, so nothing is copied twice. The
program is run by BPF_PROG_TEST_RUN and attached to nothing. It needs Linux 5.14 for
BPF_PROG_TYPE_SYSCALL, CAP_BPF + CAP_PERFMON (or CAP_SYS_ADMIN), and a lockdown below
confidentiality.
"""

import ctypes
import errno
import mmap
import os
import struct

import numpy as np

from mmscand.linux.bpf_program import LICENSE, current_task_program, gather_program
from mmscand.linux.files import machine_errors
from mmscand.linux.kernel_memory import MOST
from mmscand.linux.surroundings import refused, require_no_confidentiality
from mmscand.linux.syscalls import bpf
from mmscand.model import PAGE_BYTES, PAGES_PER_TABLE, UIntArray

# include/uapi/linux/bpf.h
_MAP_CREATE, _PROG_LOAD, _PROG_TEST_RUN = 0, 5, 10
_MAP_TYPE_ARRAY = 2
_F_MMAPABLE = 1 << 10
_PROG_TYPE_SYSCALL = 31
_F_SLEEPABLE = 1 << 4
_ATTR_BYTES = 128
"""Enough for every field used here; the kernel wants the rest of union bpf_attr to be zero."""


def _attributes(layout: str, *fields: int) -> bytearray:
    return bytearray(struct.pack(layout, *fields).ljust(_ATTR_BYTES, b"\0"))


def _create_array(value_bytes: int, entries: int) -> int:
    return bpf(
        _MAP_CREATE,
        _attributes("<IIIII", _MAP_TYPE_ARRAY, 4, value_bytes, entries, _F_MMAPABLE),
    )


def _load(program: bytes) -> int:
    code, license_text = ctypes.create_string_buffer(program), ctypes.create_string_buffer(LICENSE)
    attributes = _attributes(
        "<IIQQIIQII",
        _PROG_TYPE_SYSCALL,
        len(program) // 8,
        ctypes.addressof(code),
        ctypes.addressof(license_text),
        0,  # no verifier log: a full log buffer fails the load (ENOSPC)
        0,
        0,
        0,
        _F_SLEEPABLE,  # what this type has to be
    )
    return bpf(_PROG_LOAD, attributes)


_HINTS = {
    errno.EPERM: "CAP_BPF and CAP_PERFMON are needed, and lockdown below confidentiality",
    errno.EINVAL: "it takes a kernel from 5.14 on, with lockdown below confidentiality",
    errno.ENOSYS: "use a kernel with CONFIG_BPF_SYSCALL",
}


class BpfGather:
    """KernelMemory by BPF."""

    name = "bpf"

    def __init__(self) -> None:
        self._fds: list[int] = []
        try:
            self._open()
        except OSError as error:
            self.close()
            require_no_confidentiality()
            hint = _HINTS.get(error.errno or 0, "look at the kernel log")
            raise refused("bpf(2)", error, hint) from None

    def _open(self) -> None:
        addresses_fd = self._keep(_create_array(MOST * 8, 1))
        tables_fd = self._keep(_create_array(PAGE_BYTES, MOST))
        self._context = np.zeros(1, dtype=np.uint64)
        self._gather = self._program(gather_program(addresses_fd, tables_fd))
        self._find_task = self._program(current_task_program())
        self._addresses = np.frombuffer(mmap.mmap(addresses_fd, MOST * 8), dtype=np.uint64)
        tables = np.frombuffer(mmap.mmap(tables_fd, MOST * PAGE_BYTES), dtype=np.uint64)
        self._tables = tables.reshape(MOST, PAGES_PER_TABLE)

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _program(self, code: bytes) -> bytearray:
        """Load it; how to run it with the context."""
        # prog_fd, retval, data sizes and pointers, repeat, duration, ctx_size_in, _out, ctx_in
        fd, context = self._keep(_load(code)), self._context.ctypes.data
        return _attributes("<IIIIQQIIIIQ", fd, 0, 0, 0, 0, 0, 0, 0, 8, 0, context)

    def read(self, addresses: UIntArray) -> UIntArray:
        """See KernelMemory.read; the array is the map itself."""
        count = len(addresses)
        self._addresses[:count] = addresses
        self._context[0] = count
        with machine_errors("bpf(2)"):
            bpf(_PROG_TEST_RUN, self._gather)
        return self._tables[:count]

    def any_task(self) -> int:
        """The task_struct of the thread that asks."""
        with machine_errors("bpf(2)"):
            bpf(_PROG_TEST_RUN, self._find_task)
        return int(self._context[0])

    def refresh(self) -> None:
        """There is nothing that it knows of memory."""

    def close(self) -> None:
        """Close the descriptors; mappings go with their last array."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
