"""The BPF reader: one run of a tiny program copies up to 512 page-table pages.

The program is `for i in range(count): bpf_probe_read_kernel(tables[i], 4096, addresses[i])`,
with both arrays in maps that this process has mapped, so nothing is copied twice. It is run by
BPF_PROG_TEST_RUN and attached to nothing. It needs Linux 5.14 (BPF_PROG_TYPE_SYSCALL),
CAP_BPF + CAP_PERFMON (or CAP_SYS_ADMIN), and a lockdown below confidentiality.
"""

import ctypes
import errno
import mmap
import os
import struct

import numpy as np

from mmscand.errors import MachineCannot
from mmscand.linux.kernel_memory import BATCH
from mmscand.linux.syscalls import bpf
from mmscand.model import PAGE_BYTES, PAGES_PER_TABLE, UIntArray

# include/uapi/linux/bpf.h
_MAP_CREATE, _PROG_LOAD, _PROG_TEST_RUN = 0, 5, 10
_MAP_TYPE_ARRAY = 2
_F_MMAPABLE = 1 << 10
_PROG_TYPE_SYSCALL = 31
_F_SLEEPABLE = 1 << 4
_PSEUDO_MAP_FD, _PSEUDO_MAP_VALUE = 1, 2
_FN_MAP_LOOKUP_ELEM, _FN_GET_CURRENT_TASK, _FN_PROBE_READ_KERNEL = 1, 35, 113
_ATTR_BYTES = 128
"""Enough for every field used here; the kernel wants the rest of union bpf_attr to be zero."""
_R0, _R1, _R2, _R3, _R6, _R7, _R8, _R9, _R10 = 0, 1, 2, 3, 6, 7, 8, 9, 10
_LICENSE = b"Dual MIT/GPL\0"


def _insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return struct.pack("<BBhi", code, src << 4 | dst, off, imm)


def _mov(dst: int, src: int) -> bytes:
    return _insn(0xBF, dst, src)


def _mov_imm(dst: int, imm: int) -> bytes:
    return _insn(0xB7, dst, imm=imm)


def _load_map(dst: int, kind: int, fd: int) -> bytes:
    return _insn(0x18, dst, kind, imm=fd) + _insn(0)


def _call(function: int) -> bytes:
    return _insn(0x85, imm=function)


_EXIT = _insn(0x95)


def _gather_program(addresses_fd: int, tables_fd: int) -> bytes:
    body = [
        _mov(_R1, _R9),  # r1 = tables[i]
        _insn(0x63, _R10, _R7, off=-4),
        _mov(_R2, _R10),
        _insn(0x07, _R2, imm=-4),
        _call(_FN_MAP_LOOKUP_ELEM),
        "exit if zero",
        _mov(_R1, _R0),
        _mov_imm(_R2, PAGE_BYTES),
        _mov(_R3, _R7),  # r3 = addresses[i]
        _insn(0x67, _R3, imm=3),
        _insn(0x0F, _R3, _R8),
        _insn(0x79, _R3, _R3),
        _call(_FN_PROBE_READ_KERNEL),  # zeroes what it cannot read
        _insn(0x07, _R7, imm=1),
    ]
    head = [
        _insn(0x79, _R6, _R1),  # r6 = count, the first word of the context
        _load_map(_R9, _PSEUDO_MAP_FD, tables_fd),
        _load_map(_R8, _PSEUDO_MAP_VALUE, addresses_fd),
        _mov_imm(_R7, 0),
    ]
    # The loop: leave at i >= count, and at i >= BATCH so that the verifier sees its end.
    length = len(body) + 2
    loop = [_insn(0x3D, _R7, _R6, off=length), _insn(0x35, _R7, off=length - 1, imm=BATCH)]
    for at, insn in enumerate(body):
        loop.append(
            insn if isinstance(insn, bytes) else _insn(0x15, _R0, off=length - 2 - at, imm=0)
        )
    loop.append(_insn(0x05, off=-len(loop) - 1))
    return b"".join([*head, *loop, _mov_imm(_R0, 0), _EXIT])


def _current_task_program() -> bytes:
    # ctx[0] = bpf_get_current_task(); test_run copies the context back to the caller
    parts = [_mov(_R6, _R1), _call(_FN_GET_CURRENT_TASK), _insn(0x7B, _R6, _R0)]
    return b"".join([*parts, _mov_imm(_R0, 0), _EXIT])


def _create_array(value_bytes: int, entries: int) -> int:
    return bpf(
        _MAP_CREATE,
        struct.pack("<IIIII", _MAP_TYPE_ARRAY, 4, value_bytes, entries, _F_MMAPABLE).ljust(
            _ATTR_BYTES, b"\0"
        ),
    )


def _load(program: bytes) -> int:
    code, license_text = ctypes.create_string_buffer(program), ctypes.create_string_buffer(_LICENSE)
    attributes = struct.pack(
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
    return bpf(_PROG_LOAD, attributes.ljust(_ATTR_BYTES, b"\0"))


_REASONS = {
    errno.EPERM: (
        "bpf(2) is not permitted",
        "run as root with CAP_BPF and CAP_PERFMON, and with kernel lockdown below confidentiality",
    ),
    errno.EINVAL: (
        "the kernel does not take the BPF program",
        "use a kernel from 5.14 on, with lockdown below confidentiality",
    ),
    errno.ENOSYS: ("the kernel has no bpf(2)", "use a kernel with CONFIG_BPF_SYSCALL"),
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
            what, hint = _REASONS.get(
                error.errno or 0, (f"bpf(2): {error.strerror}", "look at the kernel log")
            )
            raise MachineCannot(what, hint=hint) from None

    def _open(self) -> None:
        addresses_fd = self._keep(_create_array(BATCH * 8, 1))
        tables_fd = self._keep(_create_array(PAGE_BYTES, BATCH))
        self._gather_fd = self._keep(_load(_gather_program(addresses_fd, tables_fd)))
        self._task_fd = self._keep(_load(_current_task_program()))
        self._addresses = np.frombuffer(mmap.mmap(addresses_fd, BATCH * 8), dtype=np.uint64)
        tables = np.frombuffer(mmap.mmap(tables_fd, BATCH * PAGE_BYTES), dtype=np.uint64)
        self._tables = tables.reshape(BATCH, PAGES_PER_TABLE)
        self._context = np.zeros(1, dtype=np.uint64)

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _run(self, program_fd: int) -> None:
        # prog_fd, retval, data sizes and pointers, repeat, duration, ctx_size_in, _out, ctx_in
        attributes = struct.pack(
            "<IIIIQQIIIIQ", program_fd, 0, 0, 0, 0, 0, 0, 0, 8, 0, self._context.ctypes.data
        )
        bpf(_PROG_TEST_RUN, attributes.ljust(_ATTR_BYTES, b"\0"))

    def read(self, addresses: UIntArray) -> UIntArray:
        """See KernelMemory.read; the array is the map itself."""
        count = len(addresses)
        self._addresses[:count] = addresses
        self._context[0] = count
        self._run(self._gather_fd)
        return self._tables[:count]

    def any_task(self) -> int:
        """The task_struct of the thread that asks."""
        self._run(self._task_fd)
        return int(self._context[0])

    def close(self) -> None:
        """Close the descriptors; mappings go with their last array."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
