"""Where memory comes from, and goes: policies of this thread, and moves of whole processes.

``python -m mmscand_lab.numa MODULE ARGUMENT...`` runs a module of ours with its memory, and the
cached files that it reads, on the last node: in a guest, the slow one. Needs no numpy, which would
be in memory by then. What the kernel refuses is an OSError with the name of the call.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

# include/uapi/linux/mempolicy.h; arch/x86/entry/syscalls/syscall_64.tbl
_MPOL_DEFAULT, _MPOL_PREFERRED, _MPOL_BIND = 0, 1, 2
_SYS_SET_MEMPOLICY, _SYS_GET_MEMPOLICY, _SYS_MIGRATE_PAGES = 238, 239, 256
_MAX_NODES = 1024
"""The most that x86-64 can be configured for."""

_syscall = ctypes.CDLL(None, use_errno=True)["syscall"]
_syscall.restype = ctypes.c_long
_Mask = ctypes.c_ulong * (_MAX_NODES // 64)


def online_nodes(root: Path = Path("/sys/devices/system/node")) -> list[int]:
    """The nodes that have memory, in order; [0] on a kernel without NUMA."""
    try:
        text = (root / "has_memory").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return [0]
    spans = [part.split("-") for part in text.split(",") if part]
    return [node for span in spans for node in range(int(span[0]), int(span[-1]) + 1)]


@contextmanager
def bound_to(node: int) -> Iterator[None]:
    """New memory of this thread comes from the node and from no other."""
    with _policy(_MPOL_BIND, node):
        yield


def bind(node: int) -> None:
    """New memory of this thread comes from the node and from no other, from now on."""
    _set(_MPOL_BIND, _mask(node))


@contextmanager
def preferring(node: int | None) -> Iterator[None]:
    """New memory of this thread, and of programs started in it, comes from the node if it can.

    None: from where they run, as without any policy.
    """
    with _policy(_MPOL_DEFAULT if node is None else _MPOL_PREFERRED, node):
        yield


def forget_policy() -> None:
    """No policy from here on, whatever this program was started with."""
    _set(_MPOL_DEFAULT, _Mask())


@contextmanager
def _policy(mode: int, node: int | None) -> Iterator[None]:
    old_mode, old_mask = ctypes.c_int(), _Mask()
    _call(
        "get_mempolicy",
        _SYS_GET_MEMPOLICY,
        ctypes.byref(old_mode),
        old_mask,
        ctypes.c_ulong(_MAX_NODES),
        None,
        ctypes.c_ulong(0),
    )
    _set(mode, _mask(node))
    try:
        yield
    finally:
        _set(old_mode.value, old_mask)


def _mask(node: int | None) -> ctypes.Array[ctypes.c_ulong]:
    mask = _Mask()
    if node is not None:
        mask[node // 64] = 1 << node % 64
    return mask


def _set(mode: int, mask: ctypes.Array[ctypes.c_ulong]) -> None:
    empty = mode == _MPOL_DEFAULT
    size = ctypes.c_ulong(0 if empty else _MAX_NODES)
    _call("set_mempolicy", _SYS_SET_MEMPOLICY, mode, None if empty else mask, size)


def migrate(pid: int, source: int, target: int) -> None:
    """Move all that the process maps from one node to another (migrate_pages(2))."""
    size = ctypes.c_ulong(_MAX_NODES)
    _call("migrate_pages", _SYS_MIGRATE_PAGES, pid, size, _mask(source), _mask(target))


def _call(name: str, number: int, *arguments: object) -> None:
    if _syscall(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)


def main(argv: list[str]) -> NoReturn:
    """Become that module."""
    with preferring(online_nodes()[-1]):
        os.execv(sys.executable, [sys.executable, "-m", *argv])


if __name__ == "__main__":
    main(sys.argv[1:])
