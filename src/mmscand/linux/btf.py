"""Offsets of kernel structure members from the kernel's own type information (BTF).

Format: Documentation/bpf/btf.rst. Only what is needed to find a member is parsed: the positions
of all types (one quick walk), then the one structure and the anonymous ones inside it.
"""

import json
import struct
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from mmscand.errors import MachineCannot

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_MAGIC = 0xEB9F
_STRUCT, _UNION = 4, 5
# Words of 4 bytes that follow the 3-word head of each kind: (fixed, for each element).
_TAIL: Mapping[int, tuple[int, int]] = {
    1: (1, 0),  # INT
    3: (3, 0),  # ARRAY
    _STRUCT: (0, 3),
    _UNION: (0, 3),
    6: (0, 2),  # ENUM
    13: (0, 2),  # FUNC_PROTO
    14: (1, 0),  # VAR
    15: (0, 3),  # DATASEC
    17: (1, 0),  # DECL_TAG
    19: (0, 3),  # ENUM64
}


class Btf:
    """A parsed BTF blob."""

    def __init__(self, data: bytes) -> None:
        try:
            self._parse(data)
        except (struct.error, IndexError, ValueError):
            raise MachineCannot(
                "the kernel's BTF is not readable", hint="use a kernel from 5.4 on"
            ) from None

    def _parse(self, data: bytes) -> None:
        magic, _, _, header_bytes, type_at, type_bytes, string_at, string_bytes = (
            struct.unpack_from("<HBBIIIII", data)
        )
        if magic != _MAGIC:
            raise ValueError(magic)
        # 5 MiB: nothing of it is copied.
        types = memoryview(data)[header_bytes + type_at :][:type_bytes]
        self._words = types[: len(types) & ~3].cast("I")
        self._data = data
        self._strings_at: int = header_bytes + string_at
        self._strings_end = self._strings_at + string_bytes
        self._positions = array("I", [0])  # type 0 is void
        self._structs: dict[int, list[int]] = {}
        """Positions of the structures of a name; there may be several."""
        self._walk()

    def _walk(self) -> None:
        words, end, position = self._words, len(self._words), 0
        tail = [_TAIL.get(kind, (0, 0)) for kind in range(32)]
        while position < end:
            self._positions.append(position)
            info = words[position + 1]
            kind = info >> 24 & 0x1F
            if kind == _STRUCT:
                self._structs.setdefault(words[position], []).append(position)
            fixed, each = tail[kind]
            position += 3 + fixed + each * (info & 0xFFFF)

    def _name_offset(self, name: str) -> int:
        text = b"\0" + name.encode() + b"\0"
        at = self._data.find(text, self._strings_at, self._strings_end)
        if at < 0:
            raise KeyError(name)
        return at + 1 - self._strings_at

    def offset(self, structure: str, member: str) -> int:
        """Byte offset of a member, also of one inside anonymous structures; KeyError if none."""
        wanted = self._name_offset(member)
        for position in self._structs.get(self._name_offset(structure), ()):
            if (found := self._member_bits(position, wanted)) is not None:
                return int(found) // 8
        raise KeyError(f"{structure}.{member}")

    def _member_bits(self, position: int, member: int) -> int | None:
        info = self._words[position + 1]
        if info >> 24 & 0x1F not in (_STRUCT, _UNION):
            return None
        # With the kind flag set, the upper 8 bits of an offset are a bitfield's width.
        mask = 0xFFFFFF if info >> 31 else 0xFFFFFFFF
        for at in range(position + 3, position + 3 + 3 * (info & 0xFFFF), 3):
            name, type_id, bits = self._words[at], self._words[at + 1], self._words[at + 2] & mask
            if name == member:
                return int(bits)
            if name == 0:
                inner = self._member_bits(self._positions[type_id], member)
                if inner is not None:
                    return int(bits) + inner
        return None


@dataclass(frozen=True, slots=True)
class StructOffsets:
    """Where the fields lie that lead from a task to its page tables, in bytes."""

    task_tasks: int
    task_tgid: int
    task_mm: int
    task_start_boottime: int
    task_self_exec_id: int
    mm_pgd: int
    # See linux.vma_policy; -1 where there is none. A kernel has a maple tree (from 6.1 on) or a
    # red-black tree.
    mm_rb: int = -1
    vma_rb: int = -1
    rb_left: int = -1
    rb_right: int = -1
    mm_tree: int = -1
    tree_root: int = -1
    range_slot: int = -1
    arange_slot: int = -1
    arange_meta: int = -1
    vma_start: int = -1
    vma_end: int = -1
    vma_mm: int = -1
    vma_policy: int = -1
    vma_file: int = -1
    policy_mode: int = -1
    policy_nodes: int = -1
    task_mempolicy: int = -1
    file_inode: int = -1
    inode_sb: int = -1
    sb_magic: int = -1
    shmem_policy: int = -1
    shmem_inode: int = -1

    MEMBERS: ClassVar[Mapping[str, tuple[str, str]]] = {
        "task_tasks": ("task_struct", "tasks"),
        "task_tgid": ("task_struct", "tgid"),
        "task_mm": ("task_struct", "mm"),
        "task_start_boottime": ("task_struct", "start_boottime"),
        "task_self_exec_id": ("task_struct", "self_exec_id"),
        "mm_pgd": ("mm_struct", "pgd"),
    }

    OPTIONAL: ClassVar[Mapping[str, tuple[str, str]]] = {
        "mm_rb": ("mm_struct", "mm_rb"),
        "vma_rb": ("vm_area_struct", "vm_rb"),
        "rb_left": ("rb_node", "rb_left"),
        "rb_right": ("rb_node", "rb_right"),
        "mm_tree": ("mm_struct", "mm_mt"),
        "tree_root": ("maple_tree", "ma_root"),
        "range_slot": ("maple_range_64", "slot"),
        "arange_slot": ("maple_arange_64", "slot"),
        "arange_meta": ("maple_arange_64", "meta"),
        "vma_start": ("vm_area_struct", "vm_start"),
        "vma_end": ("vm_area_struct", "vm_end"),
        "vma_mm": ("vm_area_struct", "vm_mm"),
        "vma_policy": ("vm_area_struct", "vm_policy"),
        "vma_file": ("vm_area_struct", "vm_file"),
        "policy_mode": ("mempolicy", "mode"),
        "policy_nodes": ("mempolicy", "nodes"),
        "task_mempolicy": ("task_struct", "mempolicy"),
        "file_inode": ("file", "f_inode"),
        "inode_sb": ("inode", "i_sb"),
        "sb_magic": ("super_block", "s_magic"),
        "shmem_policy": ("shmem_inode_info", "policy"),
        "shmem_inode": ("shmem_inode_info", "vfs_inode"),
    }

    @classmethod
    def names(cls) -> set[str]:
        """Of all fields: what another version has stored may lack some."""
        return {*cls.MEMBERS, *cls.OPTIONAL}

    @classmethod
    def from_btf(cls, btf: Btf) -> "StructOffsets":
        """Look every field up; MachineCannot names the one that this kernel does not have."""
        try:
            found = {k: btf.offset(*member) for k, member in cls.MEMBERS.items()}
            return cls(**found, **{k: _if_any(btf, *m) for k, m in cls.OPTIONAL.items()})
        except KeyError as error:
            raise MachineCannot(
                f"the kernel's BTF has no {error.args[0]}", hint="use a kernel from 5.14 on"
            ) from None
        except (IndexError, RecursionError):  # a structure that would hold itself
            raise MachineCannot(
                "the kernel's BTF is not whole", hint="reboot or report it"
            ) from None


def _if_any(btf: Btf, structure: str, member: str) -> int:
    try:
        return btf.offset(structure, member)
    except KeyError:
        return -1


def struct_offsets(cache: Path, boot_id: str, vmlinux: Path = VMLINUX) -> StructOffsets:
    """The offsets of the running kernel, from `cache` when it was written in this boot."""
    try:
        stored = json.loads(cache.read_text())
        same = stored.pop("boot_id") == boot_id and stored.keys() == StructOffsets.names()
        if same and all(type(v) is int for v in stored.values()):
            return StructOffsets(**stored)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # no cache, or not ours: it is only there to save time
    try:
        data = vmlinux.read_bytes()
    except OSError as error:
        raise MachineCannot(
            f"{vmlinux}: {error.strerror}", hint="use a kernel with CONFIG_DEBUG_INFO_BTF"
        ) from None
    offsets = StructOffsets.from_btf(Btf(data))
    _store(cache, boot_id, offsets)
    return offsets


def _store(cache: Path, boot_id: str, offsets: StructOffsets) -> None:
    fields = asdict(offsets)
    temporary = cache.with_suffix(".new")
    try:
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"boot_id": boot_id, **fields}))
        temporary.replace(cache)
    except OSError:
        pass  # a read-only /run costs the next start 0.05 s, nothing else
