"""Memory policies in a red-black tree of mappings, as kernels before 6.1 have it.

The tree is made for the test. The maple tree of later kernels is read on the
running one (tests/live/test_live_policies.py).
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mmscand.linux.tasks import MmRef
from mmscand.linux.vma_policy import PolicyReader, Wish, supported
from mmscand.model import PAGE_BYTES, VmaFlag, VmaTable
from synthetic.kernel import FIVE_LEVELS, FOUR_LEVELS, OFFSETS
from synthetic.memory import FakeMemory

TREE = replace(
    OFFSETS,
    mm_rb=0x8,
    vma_start=0x0,
    vma_end=0x8,
    vma_rb=0x20,
    vma_mm=0x40,
    vma_file=0xA0,
    vma_policy=0xB8,
    rb_right=0x8,
    rb_left=0x10,
    policy_mode=0x4,
    policy_nodes=0x8,
    task_mempolicy=0xC00,
    file_inode=0x20,
    inode_sb=0x28,
    sb_magic=0x60,
    shmem_policy=0x48,
    shmem_inode=0x80,
)
"""As `struct` in include/linux/{mm_types,rbtree,mempolicy}.h of 5.15 orders them."""
PREFERRED, BIND, INTERLEAVE = 1, 2, 3
GAP = 16 * PAGE_BYTES


@dataclass
class Process:
    """An mm_struct with mappings of one page each, in a balanced tree."""

    memory: FakeMemory
    count: int
    policies: dict[int, int] = field(default_factory=dict)
    """Address of the mempolicy of a mapping, by the mapping's number."""

    def __post_init__(self) -> None:
        self.ref = MmRef(self.memory.base + 0x1000, self.memory.base + 0x8000, 0, 0)
        self.memory.poke(self.ref.mm + TREE.mm_rb, self.tree(0, self.count))

    def vma(self, number: int) -> int:
        """Address of a vm_area_struct: 200 bytes, at no page border."""
        return self.memory.base + 0x10_0000 + number * 200

    def tree(self, first: int, end: int) -> int:
        """Address of the root's rb_node; 0 where there is none."""
        if first == end:
            return 0
        middle = (first + end) // 2
        at, start = self.vma(middle), (middle + 1) * GAP
        node = at + TREE.vma_rb
        fields = {
            at + TREE.vma_start: start,
            at + TREE.vma_end: start + PAGE_BYTES,
            at + TREE.vma_mm: self.ref.mm,
            at + TREE.vma_policy: self.policies.get(middle, 0),
            node: 0xBAD1,  # the parent and the colour
            node + TREE.rb_left: self.tree(first, middle),
            node + TREE.rb_right: self.tree(middle + 1, end),
        }
        for address, value in fields.items():
            self.memory.poke(address, value)
        return node

    @property
    def vmas(self) -> VmaTable:
        starts = (np.arange(self.count, dtype=np.uint64) + np.uint64(1)) * np.uint64(GAP)
        flags = np.full(self.count, VmaFlag.READ, dtype=np.uint16)
        return VmaTable(starts, starts + np.uint64(PAGE_BYTES), flags)

    def wishes(self) -> list[Wish | str]:
        found, of = PolicyReader(self.memory, TREE).wishes(self.ref, self.vmas)
        return ["unknown" if place < 0 else found[place] for place in of]


@pytest.fixture(params=[FOUR_LEVELS, FIVE_LEVELS], ids=["four levels", "five levels"])
def memory(request: pytest.FixtureRequest) -> FakeMemory:
    return FakeMemory(request.param, read_limit=50_000)


def policy(memory: FakeMemory, number: int, mode: int, *nodes: int) -> int:
    """Address of a mempolicy."""
    at = memory.base + 0x4000 + number * 0x108
    memory.poke(at + TREE.policy_mode, mode, 2)
    memory.poke(at + TREE.policy_mode + 2, 0xBAD, 2)  # its flags
    for node in nodes:
        memory.poke(at + TREE.policy_nodes + node // 8, 1 << node % 8, 1)
    return at


@pytest.mark.parametrize("count", [1, 2, 9, 700])
def test_each_mapping_has_its_policy(memory: FakeMemory, count: int) -> None:
    kinds = [
        (0, None),
        (policy(memory, 1, BIND, 1), frozenset({1})),
        (policy(memory, 2, PREFERRED, 70), frozenset({70})),
        (policy(memory, 3, INTERLEAVE, 0, 1), frozenset()),
    ]
    process = Process(memory, count, {number: kinds[number % 4][0] for number in range(count)})
    assert process.wishes() == [kinds[number % 4][1] for number in range(count)]


def test_mappings_without_a_policy_have_that_of_the_task(memory: FakeMemory) -> None:
    process = Process(memory, 9, {4: policy(memory, 1, BIND, 1)})
    memory.poke(process.ref.task + TREE.task_mempolicy, policy(memory, 2, BIND, 0))
    assert process.wishes() == [frozenset({0})] * 4 + [frozenset({1})] + [frozenset({0})] * 4


@pytest.mark.parametrize("side", [TREE.rb_left, TREE.rb_right])
def test_a_link_that_went_bad_leaves_what_is_below_unknown(memory: FakeMemory, side: int) -> None:
    """The tree is rotated while it is read: a loop ends, and nothing is believed for it."""
    process = Process(memory, 7)
    root = process.vma(3) + TREE.vma_rb
    memory.poke(root + side, root)
    below = ["unknown"] * 3
    first, last = ([None] * 3, below) if side == TREE.rb_right else (below, [None] * 3)
    assert process.wishes() == [*first, None, *last]


def test_mappings_beside_memory_that_cannot_be_read_are_known(memory: FakeMemory) -> None:
    """A piece of 4096 bytes from there reaches into it."""
    process = Process(memory, 40, {39: policy(memory, 1, BIND, 1)})
    memory.holes.add(0x10_2000 // PAGE_BYTES)  # all structures are in the page before it, or before
    assert process.vma(39) + 200 < memory.base + 0x10_2000
    assert process.wishes() == [*[None] * 39, frozenset({1})]


def test_links_that_double_with_each_level_end(memory: FakeMemory) -> None:
    """Without a bound 2^40 nodes would be read: the memory refuses after 50 000."""
    process = Process(memory, 7)
    root = process.vma(3) + TREE.vma_rb
    for side in (TREE.rb_left, TREE.rb_right):
        memory.poke(root + side, root)
    assert process.wishes() == [*["unknown"] * 3, None, *["unknown"] * 3]


def test_a_mapping_of_another_process_or_of_another_size_is_not_believed(
    memory: FakeMemory,
) -> None:
    """It was freed, and its place is taken again."""
    process = Process(memory, 7)
    memory.poke(process.vma(0) + TREE.vma_mm, process.ref.mm + 0x540)
    memory.poke(process.vma(6) + TREE.vma_end, 0)
    assert process.wishes() == ["unknown", *[None] * 5, "unknown"]


def test_a_process_without_mappings_has_no_policies(memory: FakeMemory) -> None:
    assert Process(memory, 0).wishes() == []
    process = Process(memory, 3)
    memory.poke(process.ref.mm + TREE.mm_rb, 0)
    assert process.wishes() == ["unknown"] * 3


def test_one_whole_tree_is_needed() -> None:
    assert supported(TREE)
    assert not supported(replace(TREE, rb_left=-1))
    assert not supported(replace(TREE, vma_policy=-1))
    maple = {"mm_tree": 8, "tree_root": 8, "range_slot": 128, "arange_slot": 80, "arange_meta": 240}
    later = replace(TREE, mm_rb=-1, vma_rb=-1, **maple)
    assert supported(later)
    assert not supported(replace(later, arange_slot=88))
    assert not supported(replace(later, mm_tree=-1))
