"""Walk and Decoder against trees whose truth is known, and against garbage."""

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.linux.arch.entries import Decoder
from mmscand.linux.page_tables import Walk
from synthetic.memory import FakeMemory
from synthetic.tables import (
    BIT_LARGE,
    BIT_PRESENT,
    HUGE,
    PAGE,
    PMD,
    PTE,
    PUD,
    RAM,
    REGION,
    TABLE_FLAGS,
    PageTables,
    Slot,
    Taken,
    swap_entry,
    vma_table,
)

Ranges = list[tuple[int, int]]

BASE = 0xFFFF_8880_0000_0000
FAST = settings(max_examples=200, deadline=None)
ENCRYPTION = st.sampled_from([0, 1 << 47, 1 << 51])
LEVELS = st.sampled_from([4, 5])
# Few values, so that pieces land beside and on top of each other; borders of every level are in.
INDEXES = st.sampled_from([0, 1, 2, 255, 510, 511])
KINDS = st.sampled_from(["mapped", "mapped", "prot_none", "swap", "migration"])
NO_LIMIT = 10_000


@st.composite
def addresses(draw: st.DrawFn, levels: int) -> int:
    """A user address at a page border."""
    top = draw(st.sampled_from([0, 1, 127, 255]))
    below = [draw(INDEXES) for _ in range(levels - 1)]
    address = top
    for index in below:
        address = address << 9 | index
    return address << PTE


@st.composite
def trees(draw: st.DrawFn, levels: int, encryption_bit: int) -> PageTables:
    """Page tables with leaves of all sizes, and entries that map nothing."""
    tables = PageTables(FakeMemory(BASE), levels, encryption_bit)
    for _ in range(draw(st.integers(0, 10))):
        address = draw(addresses(levels))
        shift = draw(st.sampled_from([PTE, PTE, PMD, PUD]))
        kind, count = draw(KINDS), draw(st.integers(1, 5))
        pattern = draw(st.integers(0, 31))
        frame = draw(st.integers(0, 3)) * REGION + draw(INDEXES) * (PAGE if shift == PTE else 0)
        for at in range(count):
            here = (address & -(1 << shift)) + (at << shift)
            if here >> (levels * 9 + 11):
                break
            try:
                _put(tables, here, frame + (at << shift), shift, kind, bool(pattern >> at & 1))
            except Taken:
                break
    if draw(st.booleans()):
        tables.fill_kernel_half()
    return tables


def _put(
    tables: PageTables, address: int, frame: int, shift: int, kind: str, accessed: bool
) -> None:
    if kind in ("swap", "migration") and shift < PUD:
        tables.put(address, swap_entry(30 if kind == "migration" else 1, frame // PAGE), shift)
    else:
        pat = accessed and shift > PTE
        tables.map(address, frame, shift, accessed=accessed, prot_none=kind == "prot_none", pat=pat)


@st.composite
def mappings(draw: st.DrawFn, tables: PageTables) -> Ranges:
    """Disjoint ranges whose borders are near what is mapped; they may touch, and cut rows."""
    limit = 1 << (tables.levels * 9 + 11)
    near = sorted(tables.truth) or [0]
    points = {0} if draw(st.booleans()) else set()
    for _ in range(draw(st.integers(1, 8))):
        point = draw(st.sampled_from(near)) + draw(st.integers(-3, 6)) * draw(
            st.sampled_from([PAGE, HUGE, REGION])
        )
        points.add(min(max(point, 0), limit))
    borders = sorted(points)
    if draw(st.booleans()):
        return list(itertools.pairwise(borders))  # without gaps
    return list(zip(borders[::2], borders[1::2], strict=False))


def walk_of(
    tables: PageTables, ranges: Ranges, *, start: int = 0, table_limit: int = NO_LIMIT
) -> Walk:
    return Walk(
        tables.memory,
        tables.direct_map,
        tables.pgd,
        vma_table(ranges),
        start=start,
        table_limit=table_limit,
    )


def found_by(walk: Walk, decoder: Decoder) -> Iterator[Slot]:
    """Every present slot, in the order in which the walk yields them (a level at a time)."""
    for region in walk:
        for leaves in region.leaves:
            decoded = decoder.leaves(leaves.entries, leaves.shift)
            frames = decoder.frames(leaves.entries, leaves.shift)
            for row, column in zip(*np.nonzero(decoded.present), strict=True):
                address = int(leaves.addresses[row]) + (int(column) << leaves.shift)
                yield Slot(
                    address,
                    int(frames[row, column]),
                    bool(decoded.accessed[row, column]),
                    1 << leaves.shift,
                )


def inside(slots: Iterator[Slot], ranges: Ranges) -> list[Slot]:
    mine = (s for s in slots if any(lo <= s.address < hi for lo, hi in ranges))
    return sorted(mine, key=lambda s: s.address)


@FAST
@given(st.data(), LEVELS, ENCRYPTION)
def test_a_walk_finds_exactly_what_the_mappings_hold(
    data: st.DataObject, levels: int, encryption_bit: int
) -> None:
    tables = data.draw(trees(levels, encryption_bit))
    ranges = data.draw(mappings(tables))
    walk = walk_of(tables, ranges)
    found = inside(found_by(walk, Decoder(encryption_bit)), ranges)
    assert found == tables.inside(ranges)
    assert walk.garbage == 0


@FAST
@given(st.data(), LEVELS)
def test_a_walk_that_is_resumed_at_a_2_mib_border_finds_the_rest(
    data: st.DataObject, levels: int
) -> None:
    tables = data.draw(trees(levels, 0))
    ranges = data.draw(mappings(tables))
    near = [address & -HUGE for address in tables.truth] or [0]
    start = data.draw(st.sampled_from(near)) + data.draw(st.integers(-1, 2)) * HUGE
    walk = walk_of(tables, ranges, start=max(start, 0))
    found = inside(found_by(walk, Decoder()), ranges)
    assert found == tables.inside(ranges, max(start, 0))


@FAST
@given(st.data(), LEVELS)
def test_regions_and_rows_ascend_and_touch_a_mapping(data: st.DataObject, levels: int) -> None:
    tables = data.draw(trees(levels, 0))
    ranges = data.draw(mappings(tables))
    regions = []
    for region in walk_of(tables, ranges):
        regions.append(region.address)
        assert region.address % REGION == 0
        for leaves in region.leaves:
            starts = leaves.addresses.tolist()
            row_bytes = leaves.entries.shape[1] << leaves.shift
            assert starts == sorted(set(starts))
            assert leaves.entries.shape == (len(starts), 512 if leaves.shift == PTE else 1)
            for lo in starts:
                assert region.address <= lo < region.address + REGION
                assert any(lo < end and start < lo + row_bytes for start, end in ranges)
    assert regions == sorted(set(regions))


@FAST
@given(st.data(), LEVELS, st.integers(0, 12))
def test_a_walk_reads_no_more_tables_than_it_may(
    data: st.DataObject, levels: int, limit: int
) -> None:
    tables = data.draw(trees(levels, 0))
    ranges = [(0, 1 << (levels * 9 + 11))]
    whole = walk_of(tables, ranges)
    list(whole)
    before = len(tables.memory.reads)
    assert len(set(tables.memory.reads)) == whole.tables + 1  # the top table comes on top
    cut = walk_of(tables, ranges, table_limit=limit)
    list(cut)
    assert cut.tables == min(limit, whole.tables)
    assert len(set(tables.memory.reads[before:])) == cut.tables + 1
    assert (cut.garbage > 0) == (limit < whole.tables)


class _NoisyMemory(FakeMemory):
    """RAM full of whatever: pages that nobody wrote hold words made from their number."""

    def __init__(self, base: int, pool: list[int]) -> None:
        super().__init__(base)
        self._pool = np.array(pool, dtype=np.uint64)

    def _copy(self, address: int) -> np.ndarray:
        number = (address - self.base) // PAGE
        if number in self.pages:
            return self.pages[number]
        return self._pool[(np.arange(512) * (number | 1) + number) % len(self._pool)]


def _pointers(tables: PageTables) -> st.SearchStrategy[int]:
    """Words that hurt: pointers to known tables (loops), out of RAM, at its edges, and noise."""
    last = [end - PAGE for _, end in RAM]
    beyond = [end for _, end in RAM] + [(1 << 52) - PAGE, RAM[1][0] - PAGE]
    targets = st.sampled_from([*tables.tables, *last, *beyond])
    flags = st.sampled_from([TABLE_FLAGS, BIT_PRESENT, TABLE_FLAGS | BIT_LARGE])
    pointer = st.builds(lambda target, flag: target | flag, targets, flags)
    return st.one_of(pointer, st.integers(0, (1 << 64) - 1))


@settings(max_examples=60, deadline=None)
@given(st.data(), LEVELS, ENCRYPTION, st.integers(0, 400))
def test_garbage_ends_and_never_leads_out_of_ram(
    data: st.DataObject, levels: int, encryption_bit: int, limit: int
) -> None:
    tables = data.draw(trees(levels, encryption_bit))
    pool = data.draw(st.lists(_pointers(tables), min_size=1, max_size=12))
    noisy = _NoisyMemory(BASE, pool)
    noisy.pages = tables.memory.pages
    for _ in range(data.draw(st.integers(0, 6))):
        page = tables.memory.page(data.draw(st.sampled_from(tables.tables)))
        page[data.draw(INDEXES)] = data.draw(st.sampled_from(pool))
    tables.memory = noisy
    walk = walk_of(tables, [(0, 1 << (levels * 9 + 11))], table_limit=limit)
    for region in walk:
        for leaves in region.leaves:
            Decoder(encryption_bit, RAM).leaves(leaves.entries, leaves.shift)
    for address in noisy.reads:
        physical = address - BASE
        assert any(lo <= physical and physical + PAGE <= hi for lo, hi in RAM), hex(address)
    assert walk.tables <= limit
    assert len(noisy.reads) <= 3 * limit + 1  # two for each table of a region, to check it


@FAST
@given(LEVELS, st.integers(1, 3), st.sampled_from([PMD, PUD]))
def test_every_pointer_out_of_ram_below_a_mapping_counts_as_garbage(
    levels: int, bad: int, shift: int
) -> None:
    tables = PageTables(FakeMemory(BASE), levels)
    tables.map(0, 0)
    for at in range(1, bad + 1):
        tables.put(at << shift, RAM[0][1] + at * PAGE | TABLE_FLAGS, shift)
    outside = 300 << shift  # and one where nothing is mapped, which is nobody's business
    tables.put(outside, RAM[0][1] | TABLE_FLAGS, shift)
    walk = walk_of(tables, [(0, (bad + 1) << shift)])
    assert inside(found_by(walk, Decoder()), [(0, PAGE)]) == [Slot(0, 0, True, PAGE)]
    assert walk.garbage == bad


def test_tables_that_point_to_themselves_do_not_make_a_walk_deeper() -> None:
    tables = PageTables(FakeMemory(BASE), 5)
    top = tables.tables[0]
    tables.memory.page(top)[:] = top | TABLE_FLAGS
    walk = walk_of(tables, [(0, 1 << 56)], table_limit=3000)
    depth = {len(region.leaves) for region in walk}
    assert walk.tables == 3000
    assert depth <= {0, 1}
    assert set(tables.memory.reads) == {BASE + top}


def test_a_reservation_of_64_tib_costs_only_the_tables_that_exist() -> None:
    tables = PageTables(FakeMemory(BASE))
    start = 1 << 40
    for at in (start, start + (7 << 39) + (3 << 30) + PAGE, start + (64 << 40) - PAGE):
        tables.map(at, 5 * PAGE, prot_none=True)
    ranges = [(start, start + (64 << 40))]
    walk = walk_of(tables, ranges)
    assert inside(found_by(walk, Decoder()), ranges) == tables.inside(ranges)
    assert len(set(tables.memory.reads)) == len(tables.tables)


def test_a_gigabyte_that_is_one_leaf_comes_between_its_neighbours() -> None:
    tables = PageTables(FakeMemory(BASE))
    tables.map(0, 0)
    tables.map(REGION, 2 * REGION, PUD)
    tables.map(2 * REGION + HUGE, 3 * HUGE, PMD)
    tables.map(2 * REGION, 0)
    walk = walk_of(tables, [(0, 3 * REGION)])
    seen = [(region.address, [leaves.shift for leaves in region.leaves]) for region in walk]
    assert seen == [(0, [PTE]), (REGION, [PUD]), (2 * REGION, [PMD, PTE])]


def test_the_kernel_s_half_of_the_top_table_is_never_followed() -> None:
    tables = PageTables(FakeMemory(BASE))
    tables.fill_kernel_half()
    walk = walk_of(tables, [(0, 1 << 48), (0xFFFF_FFFF_FF60_0000, 0xFFFF_FFFF_FF60_1000)])
    assert list(walk) == []
    assert tables.memory.reads == [tables.pgd]
    assert walk.garbage == 0


def test_no_mappings_means_no_table_but_the_top_one() -> None:
    tables = PageTables(FakeMemory(BASE))
    tables.map(0, 0)
    assert list(walk_of(tables, [])) == []
    assert tables.memory.reads == [tables.pgd]
