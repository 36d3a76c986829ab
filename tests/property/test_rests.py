"""What a pass has to look at: the mappings without the rows that rest, whatever their slots are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmscand.heat.watch_history import Rest, WatchHistory
from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, REGION_BYTES, PageBlock, VmaFlag, VmaTable

NOW, ROWS_A_REGION = 5.0, REGION_BYTES // HUGE_PAGE_BYTES
#: Of the whole address space: in several regions of two parts.
NUMBERS = st.sampled_from(
    [region * ROWS_A_REGION + row for region in (0, 1, 3, 15, 16, 17) for row in (0, 1, 5, 511)]
)
#: Slots of each row that is there, and whether it rests.
WORLDS = st.dictionaries(NUMBERS, st.tuples(st.sampled_from([1, 512]), st.booleans()), max_size=12)
World = dict[int, tuple[int, bool]]


def history_of(world: World) -> WatchHistory:
    """As after a pass that met all rows, one after another."""
    history = WatchHistory()
    history.begin_pass(NOW, ends=True)
    for number, (size, rests) in sorted(world.items()):
        width = 512 // size
        there = np.ones((1, width), dtype=np.bool_)
        frames = np.arange(width, dtype=np.uint64)[None, :] * np.uint64(size * PAGE_BYTES)
        address = np.array([number * HUGE_PAGE_BYTES], dtype=np.uint64)
        block = PageBlock(address, size, frames, there, there, there)
        rest = Rest(np.array([int(rests)]), np.array([9.0 if rests else 0.0]), np.array([1.0]))
        history.put(block, history.words(block), NOW, cleared=True, rest=rest)
    history.end_pass()
    return history


def rows_in(vmas: VmaTable) -> list[int]:
    """Numbers of the rows that the mappings hold, in their order."""
    assert (vmas.starts < vmas.ends).all()
    assert (vmas.starts[1:] >= vmas.ends[:-1]).all()
    bounds = zip(vmas.starts.tolist(), vmas.ends.tolist(), strict=True)
    return [
        number
        for start, end in bounds
        for number in range(start // HUGE_PAGE_BYTES, end // HUGE_PAGE_BYTES)
    ]


@given(WORLDS)
def test_a_pass_looks_at_all_rows_but_those_that_rest(world: World) -> None:
    history, some = history_of(world), sorted(world)
    # One mapping for each row, so that they are few.
    starts = np.array(some, dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES)
    flags = np.full(len(some), int(VmaFlag.READ), dtype=np.uint16)
    vmas = VmaTable(starts, starts + np.uint64(HUGE_PAGE_BYTES), flags)
    history.begin_pass(NOW + 1, ends=True)
    assert rows_in(history.due(vmas)) == [number for number in some if not world[number][1]]
    history.end_pass()
    stay = [number for number in some if world[number][1]]
    heat = history.row_heat()
    assert (heat.addresses // np.uint64(HUGE_PAGE_BYTES)).tolist() == stay


@given(WORLDS)
def test_rows_of_a_heat_map_ascend(world: World) -> None:
    addresses = history_of(world).row_heat().addresses
    assert (addresses // np.uint64(HUGE_PAGE_BYTES)).tolist() == sorted(world)
