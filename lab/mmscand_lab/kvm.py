"""The smallest KVM machine: one virtual CPU that adds one to a word of each page, again and again.

No compiler and no numpy: the machine's code is 25 bytes, and /dev/kvm is asked by ioctl(2). The
virtual CPU runs in flat 32-bit mode without paging, so its addresses are the machine's physical
ones. After each round it writes to a port, which ends KVM_RUN. Structures and numbers are those of
include/uapi/linux/kvm.h and arch/x86/include/uapi/asm/kvm.h.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

_PAGE = 4096
CODE_PAGES = 1
"""The first page of the machine's memory has its code."""

_CREATE_VM, _CREATE_VCPU, _VCPU_MMAP_SIZE, _RUN = 0xAE01, 0xAE41, 0xAE04, 0xAE80
_SET_USER_MEMORY_REGION = 0x4020AE46
_SET_REGS, _GET_SREGS, _SET_SREGS = 0x4090AE82, 0x8138AE83, 0x4138AE84

_SEGMENT = struct.Struct("<QIHBBBBBBBBBx")
_SREGS_BYTES = 312
_CR0_AT = 8 * _SEGMENT.size + 2 * 16
_PROTECTED = 1
_CODE, _DATA = (0x08, 11), (0x10, 3)
"""Selector and type: code that is executed and read, data that is read and written."""
_EXIT_REASON_AT, _EXIT_IO = 8, 2


class KvmError(Exception):
    """The machine did something else than its code says; the message is one line."""


def code(first: int, pages: int) -> bytes:
    """Code that adds 1 to the first word of `pages` pages from `first` on, reports, and repeats."""
    body = b"\xbe" + struct.pack("<I", first)  # mov esi, first
    body += b"\xb9" + struct.pack("<I", pages)  # mov ecx, pages
    body += b"\xff\x06"  # inc dword [esi]
    body += b"\x81\xc6" + struct.pack("<I", _PAGE)  # add esi, 4096
    body += b"\x49\x75\xf5"  # dec ecx; jnz to inc
    body += b"\xe6\x10"  # out 0x10, al
    return body + b"\xeb" + struct.pack("<b", -len(body) - 2)  # jmp to the begin


def memory_region(address: int, size: int) -> bytes:
    """A struct kvm_userspace_memory_region: slot 0, the machine's memory from 0 on."""
    return struct.pack("<IIQQQ", 0, 0, 0, size, address)


def registers() -> bytes:
    """A struct kvm_regs: all zero, so that it starts at 0, and the flag that is always set."""
    return struct.pack("<18Q", *[0] * 17, 2)


def flat(sregs: bytes) -> bytes:
    """That struct kvm_sregs with segments over all memory, in 32-bit mode without paging."""
    data = bytearray(sregs)
    for place in range(6):  # cs, ds, es, fs, gs, ss
        selector, kind = _CODE if place == 0 else _DATA
        # base, limit, selector, type, present, dpl, db, s, l, g, avl, unusable
        values = (0, 0xFFFF_FFFF, selector, kind, 1, 0, 1, 1, 0, 1, 0, 0)
        _SEGMENT.pack_into(data, place * _SEGMENT.size, *values)
    (cr0,) = struct.unpack_from("<Q", data, _CR0_AT)
    struct.pack_into("<Q", data, _CR0_AT, cr0 | _PROTECTED)
    return bytes(data)


@dataclass(frozen=True, slots=True)
class VirtualCpu:
    """It runs where this thread calls it."""

    descriptor: int
    state: mmap.mmap
    """Its struct kvm_run."""

    def run_round(self) -> None:
        """Until the code has been through its pages once more. Raises KvmError, OSError."""
        fcntl.ioctl(self.descriptor, _RUN, 0)
        (reason,) = struct.unpack_from("<I", self.state, _EXIT_REASON_AT)
        if reason != _EXIT_IO:
            raise KvmError(f"the KVM machine stopped with exit reason {reason}")


@contextmanager
def machine(memory: mmap.mmap, touched: int) -> Iterator[VirtualCpu]:
    """A machine with this memory, whose code touches `touched` pages after the first.

    Raises OSError where there is no KVM.
    """
    program = code(CODE_PAGES * _PAGE, touched)
    memory[: len(program)] = program
    with ExitStack() as opened:

        def kept(descriptor: int) -> int:
            opened.callback(os.close, descriptor)
            return descriptor

        kvm = kept(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
        vm = kept(fcntl.ioctl(kvm, _CREATE_VM, 0))
        view = ctypes.c_char.from_buffer(memory)
        region = memory_region(ctypes.addressof(view), len(memory))
        fcntl.ioctl(vm, _SET_USER_MEMORY_REGION, region)
        vcpu = kept(fcntl.ioctl(vm, _CREATE_VCPU, 0))
        sregs = fcntl.ioctl(vcpu, _GET_SREGS, bytes(_SREGS_BYTES))
        fcntl.ioctl(vcpu, _SET_SREGS, flat(sregs))
        fcntl.ioctl(vcpu, _SET_REGS, registers())
        state = mmap.mmap(vcpu, fcntl.ioctl(kvm, _VCPU_MMAP_SIZE, 0))
        opened.callback(state.close)
        yield VirtualCpu(vcpu, state)
