"""LinuxAddressSpace over made-up page tables: this process' identity, nobody's memory."""

import contextlib
import errno
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.errors import (
    MmscandError,
    OutOfMemory,
    ProcessDenied,
    ProcessGone,
    TooManyOpenFiles,
)
from mmscand.linux import address_space, aging, pidfd
from mmscand.linux.address_space import LinuxAddressSpace
from mmscand.linux.arch.entries import Decoder
from mmscand.linux.moving import move_size
from mmscand.linux.pagemap import PageFlags
from mmscand.linux.procfs import Procfs
from mmscand.linux.readers import Reader
from mmscand.linux.tasks import Tasks
from mmscand.linux.unseen_use import KVM
from mmscand.model import (
    BoolArray,
    PageBlock,
    Process,
    Topology,
    UIntArray,
    VmaFlag,
    VmaTable,
    Window,
)
from synthetic.kernel import OFFSETS, Kernel
from synthetic.memory import FakeMemory
from synthetic.tables import (
    HUGE,
    PAGE,
    PMD,
    PUD,
    RAM,
    REGION,
    TABLE_FLAGS,
    PageTables,
    Slot,
    vma_table,
)

BASE = 0xFFFF_8880_0000_0000
SLOW = RAM[1]
Ranges = list[tuple[int, int]]


class FakeProcfs(Procfs):
    """The real identity of a process, with mappings of our choice."""

    def __init__(self, ranges: Ranges, page_tables: int = 1 << 20) -> None:
        super().__init__()
        self.ranges = ranges
        self.page_tables = page_tables
        self.more_maps = b""

    def maps(self, pid: int) -> bytes:
        lines = (f"{start:x}-{end:x} rw-p 0 00:00 0 \n" for start, end in self.ranges)
        return "".join(lines).encode() + self.more_maps

    def page_table_bytes(self, pid: int) -> int:
        return self.page_tables


class FakePagemap:
    """Bound to the address space that the process had when it was opened, like the real file."""

    world: "World"

    def __init__(self, pid: int) -> None:
        self._mm = self.world.mm
        self.closed = False
        self.world.opened.append(self)

    def frames(self, start: int, pages: int) -> UIntArray:
        found = [
            self.world.tables.truth[at].frame if at in self.world.tables.truth else 0
            for at in range(start, start + pages * PAGE, PAGE)
        ]
        return np.array(found, dtype=np.uint64) * np.uint64(self._current)

    def shared(self, addresses: UIntArray) -> BoolArray:
        return np.isin(addresses, list(self.world.shared)) & self._current

    @property
    def _current(self) -> bool:
        return self._mm == self.world.mm and not self.closed

    def close(self) -> None:
        self.closed = True


class Folios(PageFlags):
    """Frames that continue the folio of the frame before them."""

    def __init__(self) -> None:
        self.known: set[int] = set()

    def tails(self, frame: int, pages: int) -> BoolArray:
        return np.array([frame + at * PAGE in self.known for at in range(pages)], dtype=np.bool_)


def one_tier() -> Topology:
    return Topology((), frozenset(), frozenset())


class World:
    """One process with its page tables, in a kernel that knows it."""

    def __init__(self, process: Process, levels: int = 4) -> None:
        self.process = process
        self.memory = FakeMemory(BASE)
        self.kernel = Kernel(self.memory)
        self.kernel.spawn(1, process.pid, start=process.start_time)
        self.tables = PageTables(self.memory, levels)
        self.kernel.set_mm(1, 1, self.tables.pgd)
        self.mm = 1
        self.opened: list[FakePagemap] = []
        self.shared: set[int] = set()
        self.aged: Ranges = []
        self.folios = Folios()
        self.procfs = FakeProcfs([(0, 1 << 46)])

    def exec(self) -> None:
        """A new address space for the same process."""
        self.mm += 1
        self.tables = PageTables(self.memory, tables_at=(1 << 30) + (self.mm << 24))
        self.kernel.set_mm(1, self.mm, self.tables.pgd)

    def open(self) -> LinuxAddressSpace:
        reader = Reader(self.memory, Tasks(self.memory, OFFSETS), self.tables.direct_map)
        return LinuxAddressSpace(
            self.process,
            reader,
            self.procfs,
            Decoder(0, (SLOW,)),
            self.folios,
            one_tier,
            move_size(),
        )

    def madvise(self, pidfd: int, ranges: UIntArray, advice: int) -> int:
        self.aged.extend((int(at), int(at + length)) for at, length in ranges)
        return int(ranges[:, 1].sum())


MYSELF = Procfs().stat(os.getpid()).process


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(MYSELF)
    monkeypatch.setattr(FakePagemap, "world", made, raising=False)
    monkeypatch.setattr(address_space, "Pagemap", FakePagemap)
    monkeypatch.setattr(aging, "process_madvise", made.madvise)
    return made


@pytest.fixture
def space(world: World) -> Iterator[LinuxAddressSpace]:
    opened = world.open()
    yield opened
    opened.close()


def slots(windows: Iterator[Window] | list[Window]) -> list[Slot]:
    """Every present slot of every window."""
    found = []
    for window in windows:
        for block in window.blocks:
            size = block.pages_per_slot * PAGE
            for row, column in zip(*np.nonzero(block.present), strict=True):
                found.append(
                    Slot(
                        int(block.addresses[row]) + int(column) * size,
                        int(block.frames[row, column]),
                        bool(block.accessed[row, column]),
                        size,
                    )
                )
            assert not (block.accessed & ~block.present).any()
            assert not (block.slow & ~block.present).any()
    return sorted(found, key=lambda slot: slot.address)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1100), st.integers(1, 5), st.booleans(), st.sampled_from([0, SLOW[0]])
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 1700), max_size=8, unique=True),
    st.booleans(),
)
def test_reading_finds_what_is_in_the_mappings_and_nothing_beside_them(
    pieces: list[tuple[int, int, bool, int]], borders: list[int], touching: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(MYSELF)
        patch.setattr(FakePagemap, "world", world, raising=False)
        patch.setattr(address_space, "Pagemap", FakePagemap)
        start = 5 * REGION - 600 * PAGE  # across a region's border
        for first, count, accessed, node in pieces:
            for page in range(first, first + count):
                if start + page * PAGE not in world.tables.truth:
                    world.tables.map(start + page * PAGE, node + page * PAGE, accessed=accessed)
        points = sorted(start + border * PAGE for border in borders)
        pairs = (
            itertools.pairwise(points) if touching else zip(points[::2], points[1::2], strict=False)
        )
        ranges = list(pairs)
        space = world.open()
        try:
            windows = []
            for window in space.read(vma_table(ranges)):
                windows += slots([window])
                for block in window.blocks:
                    inside = (block.frames >= SLOW[0]) & (block.frames < SLOW[1])
                    assert (block.slow == (block.present & inside)).all()
        finally:
            space.close()
        assert windows == world.tables.inside(ranges)


def test_tables_that_came_since_their_size_was_reported_are_read_too(
    world: World, space: LinuxAddressSpace
) -> None:
    """VmPTE bounds a walk over garbage; a process that grows meanwhile is no garbage."""
    world.procfs.page_tables = PAGE
    for number in range(600):
        world.tables.map(number * HUGE, SLOW[0] + number * PAGE)
    assert len(slots(space.read(space.vmas()))) == 600


def test_windows_ascend_and_end_where_to_resume(world: World, space: LinuxAddressSpace) -> None:
    for region in (1, 2, 9):
        world.tables.map(region * REGION + 3 * HUGE, SLOW[0] + region * PAGE)
        world.tables.map(region * REGION + 4 * HUGE, SLOW[0] + region * HUGE, PMD)
    vmas = space.vmas()
    windows = [(w.start, w.end, slots([w]), w.pages) for w in space.read(vmas)]
    assert [(start // REGION, end // REGION) for start, end, _, _ in windows] == [
        (1, 2),
        (2, 3),
        (9, 10),
    ]
    assert {pages for _, _, _, pages in windows} == {512 + 512}
    middle = 2 * REGION + 4 * HUGE
    (first, *others) = [(w.start, slots([w])) for w in space.read(vmas, middle)]
    assert first == (middle, [Slot(middle, SLOW[0] + 2 * HUGE, True, HUGE)])
    assert others == [(9 * REGION, windows[2][2])]


def test_every_garbage_table_is_counted_once(world: World, space: LinuxAddressSpace) -> None:
    world.tables.map(REGION, SLOW[0])
    world.tables.put(REGION + HUGE, RAM[0][1] | TABLE_FLAGS, PMD)
    world.tables.map(2 * REGION, SLOW[0])
    world.tables.put(3 * REGION, RAM[0][1] | TABLE_FLAGS, PUD)
    assert sum(window.discarded for window in space.read(space.vmas())) == 2


def test_garbage_behind_the_last_window_is_counted_too(
    world: World, space: LinuxAddressSpace
) -> None:
    world.tables.map(REGION, SLOW[0])
    last = (1 << 39) + REGION
    world.tables.put(last, RAM[0][1] | TABLE_FLAGS, PUD)
    assert sum(window.discarded for window in space.read(space.vmas())) == 1


def test_another_start_time_is_another_process(world: World) -> None:
    before = os.listdir("/proc/self/fd")
    world.process = replace(MYSELF, start_time=MYSELF.start_time + 1)
    with pytest.raises(ProcessGone):
        world.open()
    assert os.listdir("/proc/self/fd") == before


def test_closing_gives_everything_back(world: World) -> None:
    before = os.listdir("/proc/self/fd")
    space = world.open()
    space.shared(np.array([REGION], dtype=np.uint64))
    space.close()
    assert os.listdir("/proc/self/fd") == before
    assert [pagemap.closed for pagemap in world.opened] == [True]


def test_a_process_that_has_exited_is_gone_for_its_holder(world: World) -> None:
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    world.process = Procfs().stat(child.pid).process
    world.kernel.spawn(2, child.pid, start=world.process.start_time)
    space = world.open()
    try:
        assert len(space.vmas()) == 1
        child.communicate(b"")
        with pytest.raises(ProcessGone):
            space.vmas()
        with pytest.raises(ProcessGone):
            space.move(np.array([PAGE], dtype=np.uint64), 0)
        with pytest.raises(ProcessGone):
            world.open()
    finally:
        space.close()


def one_block(space: LinuxAddressSpace, vmas: VmaTable) -> PageBlock:
    """A copy of the only block of the only window."""
    (block,) = [block for window in space.read(vmas) for block in window.blocks]
    kept = {name: getattr(block, name).copy() for name in ("present", "slow")}
    return replace(block, frames_or_how=block.frames.copy(), **kept)


def folio(world: World, address: int, pages: int, number: int = 1) -> None:
    """Map a large folio of the slow tier."""
    for at in range(pages):
        world.tables.map(address + at * PAGE, SLOW[0] + number * HUGE + at * PAGE)


def only(block: PageBlock, address: int) -> BoolArray:
    mask = np.zeros_like(block.present)
    row = int(np.searchsorted(block.addresses, np.uint64(address), side="right")) - 1
    mask[row, (address - int(block.addresses[row])) // (block.pages_per_slot * PAGE)] = True
    return mask


def test_aging_one_page_takes_its_whole_folio(world: World, space: LinuxAddressSpace) -> None:
    folio(world, REGION + 64 * PAGE, 16)
    vmas = space.vmas()
    block = one_block(space, vmas)
    assert space.age(block, only(block, REGION + 70 * PAGE), vmas).pages == 16
    assert world.aged == [(REGION + 64 * PAGE, REGION + 80 * PAGE)]


def test_aging_takes_a_folio_whole_that_lies_across_a_window_border(
    world: World, space: LinuxAddressSpace
) -> None:
    folio(world, 2 * REGION - 8 * PAGE, 16)
    frames = [world.tables.truth[2 * REGION + at * PAGE].frame for at in range(-7, 8)]
    world.folios.known.update(frames)
    vmas = space.vmas()
    whole = (2 * REGION - 8 * PAGE, 2 * REGION + 8 * PAGE)
    for window in space.read(vmas):
        (block,) = window.blocks
        space.age(block, block.accessed, vmas)
    assert world.aged == [whole, whole]  # once for each window


def test_aging_does_not_reach_into_a_window_that_was_not_read_yet(
    world: World, space: LinuxAddressSpace
) -> None:
    """Frames that follow each other by chance: what is behind the border keeps its bit for now."""
    folio(world, 2 * REGION - 8 * PAGE, 16)
    vmas = space.vmas()
    first = next(space.read(vmas)).blocks[0]
    space.age(first, first.accessed, vmas)
    assert world.aged == [(2 * REGION - 8 * PAGE, 2 * REGION)]


def test_aging_does_not_cut_a_folio_that_reaches_into_a_mapping_left_out(
    world: World, space: LinuxAddressSpace
) -> None:
    """mprotect(PROT_NONE) of the end of a large folio: its mapping is not eligible any more."""
    folio(world, REGION + 64 * PAGE, 64)
    world.tables.map(REGION + 200 * PAGE, SLOW[0])
    border = REGION + 100 * PAGE
    vmas = vma_table([(REGION, border), (border + 28 * PAGE, 2 * REGION)])
    block = one_block(space, vmas)
    aged = space.age(block, block.slow, vmas)
    assert world.aged == [(REGION + 200 * PAGE, REGION + 201 * PAGE)]
    assert aged.missed.tolist() == [REGION + at * PAGE for at in range(64, 100)]


def test_mappings_that_refused_are_marked_in_the_next_table(
    world: World, space: LinuxAddressSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.procfs.ranges = [(REGION, 2 * REGION), (2 * REGION, 3 * REGION)]
    world.tables.map(REGION, SLOW[0])

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    vmas = space.vmas()
    block = one_block(space, vmas)
    monkeypatch.setattr(aging, "process_madvise", refuse)
    aged = space.age(block, block.slow, vmas)
    assert (aged.pages, aged.missed.tolist()) == (0, [REGION])
    assert (space.vmas().flags & VmaFlag.REFUSED != 0).tolist() == [True, False]
    world.procfs.ranges = [(REGION, 2 * REGION + PAGE)]  # it became another mapping
    assert (space.vmas().flags & VmaFlag.REFUSED != 0).tolist() == [False]


def test_an_exec_changes_the_generation_and_what_is_read(
    world: World, space: LinuxAddressSpace
) -> None:
    world.tables.map(REGION, SLOW[0])
    before = space.generation()
    assert space.generation() == before
    world.exec()
    world.tables.map(2 * REGION, SLOW[0] + PAGE)
    assert space.generation() != before
    assert slots(space.read(space.vmas())) == [Slot(2 * REGION, SLOW[0] + PAGE, True, PAGE)]


def test_after_an_exec_shared_pages_are_those_of_the_new_address_space(
    world: World, space: LinuxAddressSpace
) -> None:
    world.shared = {REGION}
    address = np.array([REGION], dtype=np.uint64)
    space.generation()
    assert space.shared(address).tolist() == [True]
    world.exec()
    space.generation()
    assert space.shared(address).tolist() == [True]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ESRCH, ProcessGone),
        (errno.EINVAL, ProcessGone),  # it is just being reaped
        (errno.EMFILE, TooManyOpenFiles),
        (errno.ENOMEM, OutOfMemory),
        (errno.EPERM, ProcessDenied),
        (errno.ENOSYS, ProcessDenied),
    ],
)
def test_whatever_keeps_a_process_from_being_held_has_its_error(
    world: World, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[MmscandError]
) -> None:
    def refuse(pid: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(pidfd, "pidfd_open", refuse)
    with pytest.raises(expected):
        world.open()


def test_a_process_is_held_by_a_python_without_pidfd_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    world.open().close()


Call = tuple[list[int], int | None]


def test_opening_it_for_a_move_does_not_look_at_all_its_descriptors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """11 ms where there are 900, for each batch."""
    asked = []
    monkeypatch.setattr(world.procfs, "descriptors", lambda pid: asked.append(pid) or iter(()))
    with contextlib.closing(world.open()) as space:
        space.nodes(np.array([REGION], dtype=np.uint64))
        assert asked == []
        for _ in range(3):
            assert space.unseen_use() == ""
        assert asked == [world.process.pid]


def test_a_kvm_machine_that_is_made_later_is_seen_at_the_next_look_and_stays(
    world: World, space: LinuxAddressSpace
) -> None:
    space.vmas()
    assert space.unseen_use() == ""
    world.procfs.more_maps = b"7f0000000000-7f0000003000 rw-s 0 00:0e 1 anon_inode:kvm-vcpu:0\n"
    space.vmas()
    assert space.unseen_use() == KVM
    world.procfs.more_maps = b""
    space.vmas()
    assert space.unseen_use() == KVM
