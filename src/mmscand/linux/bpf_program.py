"""The two BPF programs, written in instructions (Documentation/bpf/standardization).

gather:        for i in range(count): bpf_probe_read_kernel(tables[i], 4096, addresses[i])
current_task:  context[0] = bpf_get_current_task()
"""

import struct
from dataclasses import dataclass, field

from mmscand.linux.kernel_memory import MOST
from mmscand.model import PAGE_BYTES

LICENSE = b"Dual MIT/GPL\0"
"""bpf_probe_read_kernel is for GPL-compatible programs only."""

# include/uapi/linux/bpf.h
_PSEUDO_MAP_FD, _PSEUDO_MAP_VALUE = 1, 2
_MAP_LOOKUP_ELEM, _GET_CURRENT_TASK, _PROBE_READ_KERNEL = 1, 35, 113
_R0, _R1, _R2, _R3, _R6, _R7, _R8, _R9, _R10 = 0, 1, 2, 3, 6, 7, 8, 9, 10
_STACK = _R10
_LOAD64, _STORE32, _STORE64 = 0x79, 0x63, 0x7B
_ADD, _ADD_NUMBER, _SHIFT_LEFT_NUMBER = 0x0F, 0x07, 0x67
_MOVE, _MOVE_NUMBER = 0xBF, 0xB7
_JUMP, _JUMP_ZERO, _JUMP_NOT_BELOW, _JUMP_NOT_BELOW_NUMBER = 0x05, 0x15, 0x3D, 0x35
_CALL, _EXIT, _LOAD_IMMEDIATE64 = 0x85, 0x95, 0x18


@dataclass(slots=True)
class _Assembler:
    """Instructions in order; a jump may name a label that comes later."""

    code: list[tuple[int, int, int, int | str, int]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def add(self, op: int, dst: int = 0, src: int = 0, off: int | str = 0, imm: int = 0) -> None:
        """One instruction; an `off` that is a label becomes the distance to it."""
        self.code.append((op, dst, src, off, imm))

    def load_map(self, dst: int, kind: int, fd: int) -> None:
        """A map, or the address of its first value: an instruction of double length."""
        self.add(_LOAD_IMMEDIATE64, dst, kind, imm=fd)
        self.add(0)

    def label(self, name: str) -> None:
        """Name the next instruction."""
        self.labels[name] = len(self.code)

    def leave(self) -> bytes:
        """Return 0; the finished program."""
        self.add(_MOVE_NUMBER, _R0, imm=0)
        self.add(_EXIT)
        return b"".join(
            struct.pack(
                "<BBhi",
                op,
                src << 4 | dst,
                self.labels[off] - at - 1 if isinstance(off, str) else off,
                imm,
            )
            for at, (op, dst, src, off, imm) in enumerate(self.code)
        )


def gather_program(addresses_fd: int, tables_fd: int) -> bytes:
    """Context: one word, the count. Maps: one value of MOST addresses; MOST values of a page."""
    asm = _Assembler()
    asm.add(_LOAD64, _R6, _R1)  # r6 = count
    asm.load_map(_R9, _PSEUDO_MAP_FD, tables_fd)
    asm.load_map(_R8, _PSEUDO_MAP_VALUE, addresses_fd)
    asm.add(_MOVE_NUMBER, _R7, imm=0)  # r7 = i
    asm.label("next")
    asm.add(_JUMP_NOT_BELOW, _R7, _R6, "end")
    asm.add(_JUMP_NOT_BELOW_NUMBER, _R7, off="end", imm=MOST)  # so the verifier sees an end
    asm.add(_STORE32, _STACK, _R7, -4)
    asm.add(_MOVE, _R2, _STACK)
    asm.add(_ADD_NUMBER, _R2, imm=-4)
    asm.add(_MOVE, _R1, _R9)
    asm.add(_CALL, imm=_MAP_LOOKUP_ELEM)  # r0 = tables[i]
    asm.add(_JUMP_ZERO, _R0, off="end")
    asm.add(_MOVE, _R3, _R7)
    asm.add(_SHIFT_LEFT_NUMBER, _R3, imm=3)
    asm.add(_ADD, _R3, _R8)
    asm.add(_LOAD64, _R3, _R3)  # r3 = addresses[i]
    asm.add(_MOVE, _R1, _R0)
    asm.add(_MOVE_NUMBER, _R2, imm=PAGE_BYTES)
    asm.add(_CALL, imm=_PROBE_READ_KERNEL)  # zeroes what it cannot read
    asm.add(_ADD_NUMBER, _R7, imm=1)
    asm.add(_JUMP, off="next")
    asm.label("end")
    return asm.leave()


def current_task_program() -> bytes:
    """Context: one word, where the address goes; a test run copies it back to the caller."""
    asm = _Assembler()
    asm.add(_MOVE, _R6, _R1)
    asm.add(_CALL, imm=_GET_CURRENT_TASK)
    asm.add(_STORE64, _R6, _R0)
    return asm.leave()
