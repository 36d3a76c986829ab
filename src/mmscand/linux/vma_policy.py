"""Memory policies of mappings (mbind, set_mempolicy), read from the kernel's own structures.

/proc/PID/numa_maps has them too, but the kernel walks every page for it under the mmap lock: 35 ns
a 4K page, 0.6 s at 64 GiB, in which mmap and the faults behind it wait. Here nothing is locked. The
mappings of a process are a maple tree since Linux 6.1 (include/linux/maple_tree.h), whose leaves
point to vm_area_structs, and a red-black tree of vm_area_structs before (include/linux/rbtree.h).
Each has its mempolicy. What changes while it is read may be garbage, so an entry counts only if it
has the start and the end that /proc/PID/maps says.
"""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.linux.arch.numbers import KERNEL_SPACE
from mmscand.linux.btf import StructOffsets
from mmscand.linux.kernel_memory import KernelMemory, read_all
from mmscand.linux.tasks import MmRef
from mmscand.model import BoolArray, UIntArray, VmaFlag, VmaTable
from mmscand.node_lists import MAX_NODES
from mmscand.sets import distinct

Wish = frozenset[int] | None
"""Nodes that a policy names; None is no wish, none at all is: leave the pages where they are."""

_WORD = np.uint64(8)
_LOWEST = np.uint64(KERNEL_SPACE)

# include/linux/maple_tree.h, 64 bit. A node has 256 bytes; its number of words, and of its slots.
_NODE_MASK, _TYPE_SHIFT, _TYPE_MASK = np.uint64(255), np.uint64(3), np.uint64(15)
_LEAF, _RANGE, _ARANGE = 1, 2, 3
_NODE_WORDS = 32
_RANGE_SLOTS, _ARANGE_SLOTS = slice(16, 32), slice(10, 20)
_ARANGE_META = 30
_IS_NODE, _ENTRY_BITS = np.uint64(2), np.uint64(3)
"""lib/xarray's internal entries: 10 in the lowest bits, and above 4096."""
_DEEPEST = 12
"""Levels of a tree: 10 slots a node are 10^12 mappings."""
LAYOUT = {"range_slot": 128, "arange_slot": 80, "arange_meta": 240}
"""Offsets in a node that the numbers above stand for; another kernel may have others."""
_MAPLE = {"mm_tree", "tree_root", *LAYOUT}
_RED_BLACK = {"mm_rb", "vma_rb", "rb_left", "rb_right"}
"""Names of the offsets that lead to mappings, one set for each kind of tree."""
_DEEPEST_RED_BLACK = 40
"""Levels: at most twice the logarithm of the nodes plus one, for 10^6 mappings."""

# include/uapi/linux/mempolicy.h
_DEFAULT, _PREFERRED, _BIND, _LOCAL, _PREFERRED_MANY = 0, 1, 2, 4, 5
_MODE_MASK = 0xFFFF
_NODEMASK_WORDS = MAX_NODES // 64
_TMPFS_MAGIC = 0x0102_1994


def supported(offsets: StructOffsets) -> bool:
    """Whether this kernel keeps mappings in a tree of a layout that is read here."""
    maple = all(getattr(offsets, name) == at for name, at in LAYOUT.items())
    tree = _has(offsets, _RED_BLACK) or (maple and _has(offsets, _MAPLE))
    return tree and _has(offsets, StructOffsets.OPTIONAL.keys() - _MAPLE - _RED_BLACK)


def _has(offsets: StructOffsets, names: Set[str]) -> bool:
    return all(getattr(offsets, name) >= 0 for name in names)


@dataclass(frozen=True, slots=True)
class PolicyReader:
    """Reads policies without a lock; what could not be read is said."""

    memory: KernelMemory
    offsets: StructOffsets

    def wishes(self, mm: MmRef, vmas: VmaTable) -> tuple[list[Wish], NDArray[np.intp]]:
        """What the mappings want, each wish once, and the place of each mapping's; -1: unknown."""
        fields = self._matching(mm, vmas)
        own, task = fields[:, 0], self._word(mm.task + self.offsets.task_mempolicy)
        pointers = distinct(np.append(own, np.uint64(task)))
        wishes = [self._wish(int(pointer)) for pointer in pointers.tolist()]
        of = np.searchsorted(pointers, np.where(own != 0, own, np.uint64(task)))
        left_alone = self._shared_policy(fields[:, 1], vmas)
        of = np.where(left_alone, len(wishes), of)
        return [*wishes, frozenset()], np.where(fields[:, 2] != 0, of, -1)

    def _matching(self, mm: MmRef, vmas: VmaTable) -> UIntArray:
        """(mappings, 3): the mempolicy and the file of each, and 1 if it was found."""
        at = [self.offsets.vma_start, self.offsets.vma_end, self.offsets.vma_mm]
        at += [self.offsets.vma_policy, self.offsets.vma_file]
        found = np.zeros((len(vmas), 3), dtype=np.uint64)
        most = 4 * len(vmas) + _DEEPEST
        by = self._of_red_black if _has(self.offsets, _RED_BLACK) else self._of_maple
        entries = by(mm.mm, most)
        if not len(entries) or not len(vmas):
            return found
        start, end, owner, policy, file = self._fields(entries, at).T
        row = np.minimum(np.searchsorted(vmas.starts, start), len(vmas) - 1)
        same = (owner == mm.mm) & (vmas.starts[row] == start) & (vmas.ends[row] == end)
        found[row[same]] = np.stack((policy, file, np.ones_like(file)), axis=1)[same]
        return found

    def _of_red_black(self, mm: int, most: int) -> UIntArray:
        """Addresses of the vm_area_structs in the tree, a level at a time."""
        children = [self.offsets.rb_left, self.offsets.rb_right]
        nodes = np.array([self._word(mm + self.offsets.mm_rb)], dtype=np.uint64)
        found, read = [np.empty(0, dtype=np.uint64)], 0
        for _ in range(_DEEPEST_RED_BLACK):
            nodes = _pointers(nodes)
            read += len(nodes)
            if not len(nodes) or read > most:
                break
            found.append(nodes - np.uint64(self.offsets.vma_rb))
            nodes = self._fields(nodes, children)
        return np.concatenate(found)

    def _of_maple(self, mm: int, most: int) -> UIntArray:
        """Addresses of the vm_area_structs in the tree, and of what may look so."""
        root = np.uint64(self._word(mm + self.offsets.mm_tree + self.offsets.tree_root))
        if root & _ENTRY_BITS != _IS_NODE:  # one mapping alone is the root itself
            return _pointers(np.array([root], dtype=np.uint64))
        nodes, leaves, read = np.array([root], dtype=np.uint64), list[UIntArray](), 0
        for _ in range(_DEEPEST):
            read += len(nodes)
            if not len(nodes) or read > most:
                break
            kinds = nodes >> _TYPE_SHIFT & _TYPE_MASK
            words = self._nodes(nodes & ~_NODE_MASK)
            leaves.append(_pointers(words[kinds == _LEAF, _RANGE_SLOTS]))
            below = [words[kinds == _RANGE, _RANGE_SLOTS].ravel(), _below(words[kinds == _ARANGE])]
            nodes = np.concatenate(below)
            nodes = nodes[(nodes >= _LOWEST) & (nodes >> _TYPE_SHIFT & _TYPE_MASK <= _ARANGE)]
        return np.concatenate(leaves)

    def _fields(self, structures: UIntArray, at: list[int]) -> UIntArray:
        """(n, fields) the words at these offsets in each structure, which is smaller than a page.

        Read in one piece. Of one that reaches into what is no RAM each word is read alone.
        """
        words = read_all(self.memory, structures)[:, np.array(at) // 8]
        lost = ~words.any(axis=1)
        if lost.any():
            alone = [self._words(structures[lost] + np.uint64(offset)) for offset in at]
            words[lost] = np.stack(alone, axis=1)
        return words

    def _nodes(self, addresses: UIntArray) -> UIntArray:
        """(n, 32) words of each; a node never crosses the border of a page."""
        mask = np.uint64(4095)
        pages = read_all(self.memory, addresses & ~mask)
        first = ((addresses & mask) // _WORD).astype(np.intp)
        taken: UIntArray = np.take_along_axis(
            pages, first[:, None] + np.arange(_NODE_WORDS), axis=1
        )
        return taken

    def _words(self, addresses: UIntArray) -> UIntArray:
        """(n,) the word at each address; 0 where the address is none of the kernel's."""
        mask = np.uint64(4095)
        pages = read_all(self.memory, addresses & ~mask)
        words: UIntArray = pages[np.arange(len(pages)), (addresses & mask) // _WORD]
        return np.where(addresses >= _LOWEST, words, np.uint64(0))

    def _word(self, address: int) -> int:
        return int(self._words(np.array([address], dtype=np.uint64))[0])

    def _wish(self, policy: int) -> Wish:
        """Of a mempolicy; modes of later kernels leave pages where they are."""
        if not policy:
            return None
        mode = self._word(policy + self.offsets.policy_mode // 8 * 8)
        mode = mode >> self.offsets.policy_mode % 8 * 8 & _MODE_MASK
        if mode in (_DEFAULT, _LOCAL):
            return None
        if mode not in (_PREFERRED, _BIND, _PREFERRED_MANY):
            return frozenset()
        at = policy + self.offsets.policy_nodes + 8 * np.arange(_NODEMASK_WORDS, dtype=np.uint64)
        bits = np.unpackbits(self._words(at).view(np.uint8), bitorder="little")
        return frozenset(np.flatnonzero(bits).tolist())

    def _shared_policy(self, files: UIntArray, vmas: VmaTable) -> BoolArray:
        """Which are shared memory with policies of its own: kept with the inode, for all owners."""
        shared = (files != 0) & (vmas.flags & np.uint16(VmaFlag.SHARED) != 0)
        if shared.any():
            inodes = self._words(files[shared] + np.uint64(self.offsets.file_inode))
            blocks = self._words(inodes + np.uint64(self.offsets.inode_sb))
            magic = self._words(blocks + np.uint64(self.offsets.sb_magic))
            info = inodes - np.uint64(self.offsets.shmem_inode)
            roots = self._words(info + np.uint64(self.offsets.shmem_policy))
            shared[shared] = (magic == _TMPFS_MAGIC) & (roots != 0)
        result: BoolArray = shared
        return result


def _pointers(slots: UIntArray) -> UIntArray:
    """Those that may be the address of a structure."""
    flat = slots.ravel()
    pointers: UIntArray = flat[(flat >= _LOWEST) & (flat & np.uint64(7) == 0)]
    return pointers


def _below(words: UIntArray) -> UIntArray:
    """Slots up to the last one that a node says it has."""
    last = words[:, _ARANGE_META] & np.uint64(0xFF)
    slots = words[:, _ARANGE_SLOTS]
    return slots[np.arange(slots.shape[1], dtype=np.uint64) <= last[:, None]]
