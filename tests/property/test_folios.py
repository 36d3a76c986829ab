"""Aging ranges against memory whose folios are known."""

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.linux.folios import Beyond, aging_ranges
from mmscand.model import BoolArray, PageBlock, UIntArray, VmaTable
from synthetic.tables import HUGE, PAGE, vma_table

Ranges = list[tuple[int, int]]

FAST = settings(max_examples=150, deadline=None)
START = 64 * HUGE
"""Address of the block's first row; what is described reaches 2 MiB out on both sides."""
ROW = 512
MAX_BYTES = (64 << 20) + HUGE


@dataclass
class Kernel:
    """What the kernel says of pages beyond the block."""

    world: "World"

    def frames(self, start: int, pages: int) -> UIntArray:
        return self.world.frames_of(start, pages)

    def tails(self, frame: int, pages: int) -> BoolArray:
        found = [frame + at * PAGE in self.world.tails for at in range(pages)]
        return np.array(found, dtype=np.bool_)


class Nothing:
    """A kernel that has nothing beyond the block."""

    def frames(self, start: int, pages: int) -> UIntArray:
        return np.zeros(pages, dtype=np.uint64)

    def tails(self, frame: int, pages: int) -> BoolArray:
        return np.zeros(pages, dtype=np.bool_)


@dataclass(repr=False)
class World:
    """Pages counted from 2 MiB before the block: frames, and the folio that each belongs to."""

    rows: int
    frames: dict[int, int] = field(default_factory=dict)
    folio: dict[int, int] = field(default_factory=dict)
    borders: list[int] = field(default_factory=list)
    """Pages at which mappings begin and end, in pairs; they may touch."""

    @property
    def pages(self) -> int:
        return (self.rows + 2) * ROW

    def address(self, page: int) -> int:
        return START + (page - ROW) * PAGE

    def page(self, address: int) -> int:
        return (address - START) // PAGE + ROW

    @property
    def vmas(self) -> Ranges:
        pairs = zip(self.borders[::2], self.borders[1::2], strict=True)
        return [(self.address(lo), self.address(hi)) for lo, hi in pairs if lo < hi]

    def vma_of(self, page: int) -> int | None:
        at = self.address(page)
        return next((n for n, (lo, hi) in enumerate(self.vmas) if lo <= at < hi), None)

    def frames_of(self, start: int, pages: int) -> UIntArray:
        """As pagemap says."""
        first = self.page(start)
        return np.array([self.frames.get(first + at, 0) for at in range(pages)], dtype=np.uint64)

    @cached_property
    def _as_read(self) -> dict[int, int]:
        """The frame that the block has for each page: what is absent may look like anything."""
        found = dict(self.frames)
        for row in self._rows:
            for page in range(row * ROW + 1, (row + 1) * ROW):
                if page not in found and self.vma_of(page) is not None:
                    found[page] = found.get(page - 1, 0) + PAGE
        return found

    @cached_property
    def _rows(self) -> set[int]:
        """Rows of the block that have a page."""
        return {page // ROW for page in self.frames} & set(range(1, self.rows + 1))

    @cached_property
    def tails(self) -> set[int]:
        """Frames that belong to the folio of the frame before; one may be mapped twice."""
        known = {(frame, self.folio[page]) for page, frame in self.frames.items()}
        return {frame for frame, folio in known if (frame - PAGE, folio) in known}

    def in_block(self, page: int) -> bool:
        """Whether the page's row is read with the block."""
        return page // ROW in self._rows

    def block(self) -> PageBlock:
        """What a walk over the whole block would have read: no row without a mapped page."""
        rows = [
            row
            for row in range(1, self.rows + 1)
            if any(row * ROW + at in self.frames for at in range(ROW))
        ]
        shape = (len(rows), ROW)
        frames = np.zeros(shape, dtype=np.uint64)
        present = np.zeros(shape, dtype=np.bool_)
        for at, row in enumerate(rows):
            for column in range(ROW):
                if (frame := self.frames.get(row * ROW + column)) is not None:
                    frames[at, column], present[at, column] = frame, True
                elif column and self.vma_of(row * ROW + column) is not None:
                    # Of what is absent, anything: a swap entry may look like the next frame.
                    frames[at, column] = frames[at, column - 1] + np.uint64(PAGE)
        addresses = np.array([self.address(row * ROW) for row in rows], dtype=np.uint64)
        return PageBlock(addresses, 1, frames, present, present.copy(), present.copy())

    def pieces(self) -> list[range]:
        """Stretches of pages of one folio, one after the other here as in the folio."""
        found: list[range] = []
        for page in sorted(self.frames):
            if found and self._follows(found[-1][-1], page):
                found[-1] = range(found[-1].start, page + 1)
            else:
                found.append(range(page, page + 1))
        return found

    def _follows(self, before: int, page: int) -> bool:
        return (
            page == before + 1
            and self.folio[page] == self.folio[before]
            and self.frames[page] == self.frames[before] + PAGE
        )

    def chain(self, page: int) -> range:
        """Pages around this one that the frames alone do not say from one folio."""

        def joined(left: int) -> bool:
            here, there = self._as_read.get(left), self._as_read.get(left + 1)
            if here is None or there != here + PAGE or there % HUGE == 0:
                return False
            known = self.in_block(left) and self.in_block(left + 1)
            # Elsewhere the kernel is asked.
            return known or self.folio.get(left) == self.folio.get(left + 1)

        first, last = page, page
        while joined(first - 1):
            first -= 1
        while joined(last):
            last += 1
        return range(first, last + 1)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A short pattern of folios and gaps repeated over the area, with holes and mappings."""
    world = World(draw(st.integers(1, 3)))
    pattern = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 0, 1, 2, 4, 6, 8, 9]),  # order
                st.sampled_from([0, 0, 0, 1, 3, 15, 17, 600]),  # pages left free before it
                st.sampled_from(["next", "next", "far"]),  # where in physical memory
                st.integers(0, 7),  # pages of it that are not mapped at its start
            ),
            min_size=1,
            max_size=8,
        )
    )
    page, frame, number = draw(st.integers(0, 40)), draw(st.sampled_from([0, 3, 511])) + 512, 0
    while page < world.pages:
        order, gap, place, cut = pattern[number % len(pattern)]
        size = 1 << order
        frame = (frame // size + 1) * size + (size * 1024 if place == "far" else 0)
        if place == "next" and frame - size >= 512:
            frame -= size if (frame - size) % size == 0 and number else 0
        page += gap
        for at in range(min(cut, size - 1) if size > 8 else 0, size):
            if page < world.pages:
                world.frames[page], world.folio[page] = (frame + at) * PAGE, number
                page += 1
        frame += size
        number += 1
    for hole in draw(st.lists(st.integers(0, world.pages - 1), max_size=5)):
        world.frames.pop(hole, None)
    borders = {0, world.pages} | set(draw(st.lists(st.integers(1, world.pages - 1), max_size=6)))
    inner = sorted(borders)
    world.borders = [edge for pair in itertools.pairwise(inner) for edge in pair]
    for number in draw(st.sets(st.integers(0, len(world.vmas) - 1), max_size=2)):
        lo, hi = world.borders[2 * number : 2 * number + 2]
        if len(world.vmas) > 1:
            world.borders[2 * number + 1] = lo
            for page in range(lo, hi):
                world.frames.pop(page, None)  # nothing is mapped where no mapping is
    return world


def random_mask(block: PageBlock, seed: int, density: float) -> BoolArray:
    rng = np.random.default_rng(seed)
    mask: BoolArray = (rng.random(block.present.shape) < density) & block.present
    return mask


def ranges_of(block: PageBlock, mask: BoolArray, vmas: VmaTable, beyond: Beyond) -> UIntArray:
    """What is aged; every slot of the mask is either in it or said to be left out."""
    ranges, left_out = aging_ranges(block, mask, vmas, beyond)
    reported = np.concatenate((ranges, left_out))
    for address in block.slot_addresses(mask).tolist():
        assert any(at <= address < at + length for at, length in reported.tolist())
    return ranges


def as_pairs(ranges: UIntArray) -> Ranges:
    return [(int(at), int(at + length)) for at, length in ranges]


def require_well_formed(ranges: Ranges, vmas: VmaTable) -> None:
    """Ascending, apart, in one mapping each, and short enough for one system call."""
    for (_, end), (start, _) in itertools.pairwise(ranges):
        assert end <= start
    mappings = list(zip(vmas.starts.tolist(), vmas.ends.tolist(), strict=True))
    for start, end in ranges:
        assert start < end
        assert start % PAGE == end % PAGE == 0
        assert end - start <= MAX_BYTES
        assert any(lo <= start and end <= hi for lo, hi in mappings)


DENSITIES = st.sampled_from([0.001, 0.01, 0.3, 1.0])


@FAST
@given(worlds(), st.integers(0, 1000), DENSITIES)
def test_ranges_cover_what_is_wanted_and_cut_no_folio(
    world: World, seed: int, density: float
) -> None:
    block = world.block()
    if not len(block.addresses):
        return
    mask = random_mask(block, seed, density)
    vmas = vma_table(world.vmas)
    ranges = as_pairs(ranges_of(block, mask, vmas, Kernel(world)))
    require_well_formed(ranges, vmas)
    covered = {p for start, end in ranges for p in range(world.page(start), world.page(end))}
    for piece in world.pieces():
        inside = [page in covered for page in piece]
        assert all(inside) or not any(inside), f"a folio at page {piece.start} is cut"
    for page in map(world.page, block.slot_addresses(mask).tolist()):
        chain = world.chain(page)
        leaves_its_mapping = world.vma_of(chain[0]) != world.vma_of(chain[-1])
        assert (page in covered) != leaves_its_mapping


@FAST
@given(worlds())
def test_an_empty_mask_is_no_range(world: World) -> None:
    block = world.block()
    if len(block.addresses):
        mask = np.zeros_like(block.present)
        assert ranges_of(block, mask, vma_table(world.vmas), Nothing()).shape == (0, 2)


def huge_block(rows: list[int]) -> PageBlock:
    addresses = START + np.array(rows, dtype=np.uint64) * np.uint64(HUGE)
    shape = (len(rows), 1)
    frames = (np.arange(len(rows), dtype=np.uint64) * np.uint64(HUGE))[:, None]
    yes = np.ones(shape, dtype=np.bool_)
    return PageBlock(addresses, 512, frames, yes, yes, yes)


@FAST
@given(
    st.sets(st.integers(0, 511), min_size=1, max_size=200),
    st.sets(st.integers(0, 512), max_size=6),
    st.integers(0, 1000),
    DENSITIES,
)
def test_huge_pages_are_taken_whole_and_nothing_else_is(
    rows: set[int], borders: set[int], seed: int, density: float
) -> None:
    block = huge_block(sorted(rows))
    mask = random_mask(block, seed, density)
    edges = sorted(borders | {0, 512})
    vmas = vma_table((START + lo * HUGE, START + hi * HUGE) for lo, hi in itertools.pairwise(edges))
    ranges = as_pairs(ranges_of(block, mask, vmas, Nothing()))
    require_well_formed(ranges, vmas)
    covered = [at for start, end in ranges for at in range(start, end, HUGE)]
    assert covered == block.slot_addresses(mask).tolist()


def test_near_ranges_of_a_mapping_are_joined_and_far_ones_are_not() -> None:
    def ranges_for(pages: list[int], vmas: Ranges) -> Ranges:
        frames = 512 + np.arange(ROW, dtype=np.uint64)[::-1] * np.uint64(2)  # none follow
        yes = np.ones((1, ROW), dtype=np.bool_)
        addresses = np.array([START], dtype=np.uint64)
        block = PageBlock(addresses, 1, frames[None, :] * np.uint64(PAGE), yes, yes, yes)
        mask = np.zeros((1, ROW), dtype=np.bool_)
        mask[0, pages] = True
        found = as_pairs(ranges_of(block, mask, vma_table(vmas), Nothing()))
        return [((lo - START) // PAGE, (hi - START) // PAGE) for lo, hi in found]

    whole = [(START, START + HUGE)]
    assert ranges_for([0, 17], whole) == [(0, 18)]  # 16 pages between them
    assert ranges_for([0, 18], whole) == [(0, 1), (18, 19)]
    two = [(START, START + 9 * PAGE), (START + 9 * PAGE, START + HUGE)]
    assert ranges_for([0, 8, 9, 17], two) == [(0, 9), (9, 18)]


def straddling(cut: int) -> tuple[PageBlock, BoolArray, Ranges]:
    """A folio of 64 pages, 32 before and 32 after page `cut`, in two rows of mapped pages."""
    frames = np.full((2, ROW), 0, dtype=np.uint64)
    flat = frames.reshape(-1)
    first = cut - 32
    flat[first : first + 64] = np.arange(1 << 12, (1 << 12) + 64, dtype=np.uint64) * PAGE
    present = frames != 0
    addresses = START + np.arange(2, dtype=np.uint64) * np.uint64(HUGE)
    mask = np.zeros_like(present)
    mask.reshape(-1)[first] = True
    here, there = START + cut * PAGE, START + 2 * HUGE
    block = PageBlock(addresses, 1, frames, present, present, present)
    return block, mask, [(START, here), (here, there)]


def test_a_folio_across_two_rows_is_taken_whole_from_either_side() -> None:
    for wanted in (0, 31, 32, 63):
        block, mask, _ = straddling(ROW)
        mask[:] = False
        mask.reshape(-1)[ROW - 32 + wanted] = True
        whole = (START + (ROW - 32) * PAGE, START + (ROW + 32) * PAGE)
        vmas = vma_table([(START, START + 2 * HUGE)])
        assert as_pairs(ranges_of(block, mask, vmas, Nothing())) == [whole]


def test_frames_that_go_on_behind_a_missing_row_are_another_folio() -> None:
    block, mask, _ = straddling(ROW)
    block.addresses[1] += np.uint64(HUGE)
    vmas = vma_table([(START, START + 3 * HUGE)])
    first = (START + (ROW - 32) * PAGE, START + HUGE)
    assert as_pairs(ranges_of(block, mask, vmas, Nothing())) == [first]


def test_an_absent_page_before_the_first_frames_of_ram_is_not_taken_along() -> None:
    frames = np.zeros((1, ROW), dtype=np.uint64)
    frames[0, 7] = PAGE
    present = frames != 0
    block = PageBlock(np.array([START], dtype=np.uint64), 1, frames, present, present, present)
    ranges = ranges_of(block, present, vma_table([(START, START + HUGE)]), Nothing())
    assert as_pairs(ranges) == [(START + 7 * PAGE, START + 8 * PAGE)]


def test_a_gigabyte_of_huge_pages_is_cut_into_pieces_for_one_call() -> None:
    block = huge_block(list(range(512)))
    vmas = vma_table([(START, START + 512 * HUGE)])
    ranges = as_pairs(ranges_of(block, np.ones((512, 1), dtype=np.bool_), vmas, Nothing()))
    require_well_formed(ranges, vmas)
    assert len(ranges) <= 65
    assert sum(end - start for start, end in ranges) == 512 * HUGE


def test_a_folio_that_lies_in_two_mappings_is_left_alone() -> None:
    for cut in (ROW - 100, ROW):
        block, mask, vmas = straddling(cut)
        assert as_pairs(ranges_of(block, mask, vma_table(vmas), Nothing())) == []


def test_a_folio_that_reaches_into_a_mapping_nobody_asked_for_is_left_alone() -> None:
    # As mprotect(PROT_NONE) of half a large folio leaves it: the other half's mapping is not
    # eligible, so its slots do not count as present.
    block, mask, vmas = straddling(ROW - 100)
    block.present.reshape(-1)[ROW - 100 :] = False
    assert as_pairs(ranges_of(block, mask, vma_table(vmas[:1]), Nothing())) == []


def test_a_huge_page_that_reaches_out_of_its_mapping_is_left_alone() -> None:
    block = huge_block([0, 1])
    vmas = vma_table([(START, START + HUGE + 5 * PAGE)])
    mask = np.ones((2, 1), dtype=np.bool_)
    assert as_pairs(ranges_of(block, mask, vmas, Nothing())) == [(START, START + HUGE)]
