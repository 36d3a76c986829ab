"""Reading states, and histories of more than one region."""

from dataclasses import replace

import numpy as np
import pytest

from mmscand.heat.pass_history import PassHistory
from mmscand.heat.state import accessed_in_a_row, accessed_passes, is_stuck
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    PageBlock,
    UIntArray,
)
from mmscand.sim.nodes import sim_topology

_ARRAYS = ("frames", "present", "accessed", "slow")
#: Unknown, not observed yet, 1 to 6 observations, on the fast tier; stuck.
STATES = np.array([[0, 1, 2, 3, 6, 7, 0x7F, 0xF, 0x97, 0x77, 0x100]], dtype=np.uint16)


@pytest.mark.parametrize(
    ("passes", "expected"),
    [
        (1, [3, 7, 0x7F, 0xF, 0x97, 0x77]),
        (2, [7, 0x7F, 0xF, 0x97, 0x77]),
        (3, [0x7F, 0xF, 0x97, 0x77]),
        (4, [0x7F]),
        (6, [0x7F]),
    ],
)
def test_accessed_in_a_row_looks_at_the_latest_passes_only(
    passes: int, expected: list[int]
) -> None:
    found = accessed_in_a_row(STATES, passes)
    assert found.shape == STATES.shape
    assert STATES[found].tolist() == expected


def test_a_stuck_page_has_a_register_without_a_mark() -> None:
    assert STATES[is_stuck(STATES)].tolist() == [0x100]
    assert accessed_passes(STATES).tolist() == [[0, 0, 0, 1, 1, 2, 6, 3, 3, 5, 0]]


def block(region: int, columns: range = range(512)) -> PageBlock:
    """One row of slow, accessed pages at the start of a region."""
    frames = np.arange(512, dtype=np.uint64)[None, :] * np.uint64(PAGE_BYTES)
    seen = np.zeros((1, 512), dtype=np.bool_)
    seen[0, columns] = True
    addresses = np.array([region * REGION_BYTES], dtype=np.uint64)
    return PageBlock(addresses, 1, frames, seen, seen, seen)


def addresses(*regions: int) -> UIntArray:
    return np.array([region * REGION_BYTES for region in regions], dtype=np.uint64)


def test_an_update_reaches_every_region_that_has_one_of_the_slots() -> None:
    history = PassHistory()
    for region in (1, 2, 3):
        history.fold(block(region))
        history.fold(block(region))
    second = np.uint64(PAGE_BYTES)
    history.mark_stuck(addresses(1, 3, 9) + np.array([0, 1, 2], dtype=np.uint64) * second, 1)
    states = {region: history.fold(block(region))[0, :2].tolist() for region in (1, 2, 3)}
    assert states == {1: [0x100, 7], 2: [7, 7], 3: [7, 0x100]}
    history.restart(addresses(2, 3), 1)
    states = {region: history.fold(block(region))[0, :2].tolist() for region in (1, 2, 3)}
    assert states == {1: [0x100, 0xF], 2: [3, 0xF], 3: [3, 0x100]}


def test_pages_counts_what_has_a_history_in_4k_pages() -> None:
    history = PassHistory()
    history.fold(block(1, range(10)))
    assert history.pages == 10
    one = np.ones((1, 1), dtype=np.bool_)
    frame = np.zeros((1, 1), dtype=np.uint64)
    history.fold(PageBlock(addresses(2), 512, frame, one, one, one))
    assert history.pages == 10 + 512


def test_a_region_that_a_pass_did_not_meet_is_forgotten_at_its_end() -> None:
    history = PassHistory()
    history.fold(block(1))
    history.fold(block(2))
    history.end_pass()
    history.fold(block(2))
    assert history.pages == 1024  # until the end it may still come
    history.end_pass()
    assert history.pages == 512


def test_a_row_that_a_pass_did_not_meet_is_forgotten_beside_others_of_its_region() -> None:
    history, first = PassHistory(), block(1)
    second = replace(first, addresses=first.addresses + np.uint64(HUGE_PAGE_BYTES))
    for seen in ([first, second], [second]):
        for each in seen:
            history.fold(each)
        history.end_pass()
    assert history.pages == 512
    assert history.fold(second).any()
    assert not history.fold(first).any()


def test_rows_of_several_regions_are_taken_in_together_as_one_by_one() -> None:
    together, alone = PassHistory(), PassHistory()
    some = [block(region, range(3 * region)) for region in (1, 2, 9)]
    one = PageBlock(
        np.concatenate([each.addresses for each in some]),
        1,
        *(np.concatenate([getattr(each, name) for each in some]) for name in _ARRAYS),
    )
    for _ in range(3):
        found = together.fold(one)
        assert (found == np.concatenate([alone.fold(each) for each in some])).all()
    assert together.pages == alone.pages == 3 * (1 + 2 + 9)


def test_hotness_counts_pages_by_accessed_passes_and_node() -> None:
    history = PassHistory()
    touched = [range(10), range(10), range(5)]  # in the passes after the first look
    for columns in [range(512), *touched]:
        first = block(1)
        accessed = np.zeros_like(first.slow)
        accessed[0, columns] = True
        for number in (1, 2):
            frames = first.frames + np.uint64(number * REGION_BYTES)
            at = addresses(number)
            history.fold(replace(first, addresses=at, frames_or_how=frames, accessed=accessed))
    history.mark_stuck(addresses(2) + np.uint64(20 * PAGE_BYTES), 1)
    found = history.hotness(sim_topology((), (1, 2), {1: 512, 2: 512}))
    assert found == {1: [502, 0, 5, 5, 0, 0, 0], 2: [501, 0, 5, 5, 0, 0, 0]}


def test_hotness_counts_a_huge_page_as_512() -> None:
    history = PassHistory()
    slow = np.ones((1, 1), dtype=np.bool_)
    huge = PageBlock(addresses(1), 512, np.full((1, 1), REGION_BYTES, np.uint64), slow, slow, slow)
    history.fold(huge)
    history.fold(huge)
    topology = sim_topology((), (1,), {1: 512})
    assert history.hotness(topology) == {1: [0, 512, 0, 0, 0, 0, 0]}
    assert PassHistory().hotness(topology) == {}


@pytest.mark.parametrize("pages_per_slot", [1, 512])
def test_a_page_with_another_frame_is_another_page_of_any_size(pages_per_slot: int) -> None:
    """Fifteen of sixteen changes are seen, by four bits of the frame's number."""
    noticed = 0
    for distance in range(1, 17):
        history = PassHistory()
        for _ in range(3):
            history.fold(used_row(64, pages_per_slot))
            history.end_pass()
        noticed += bool((history.fold(used_row(64 + distance, pages_per_slot)) == 0).all())
    assert noticed == 15


def used_row(number: int, pages_per_slot: int) -> PageBlock:
    """All of it accessed, on the slow tier, and on the frame of this number in its size."""
    shape = (1, PAGES_PER_TABLE // pages_per_slot)
    frames = np.full(shape, number * PAGE_BYTES * pages_per_slot, dtype=np.uint64)
    used = np.ones(shape, dtype=np.bool_)
    start = np.array([REGION_BYTES], dtype=np.uint64)
    return PageBlock(start, pages_per_slot, frames, used, used, used)
