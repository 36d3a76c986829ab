"""What the stopwatch keeps of pages that are new, moved, stuck, or of a process that sleeps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mmscand.heat.history import History, tags_of
from mmscand.heat.rows import TAG
from mmscand.heat.watch_history import Rest, WatchHistory
from mmscand.heat.word import (
    FAST,
    KIND,
    KINDS,
    SEEN,
    STATE,
    STATES,
    STUCK,
    UNKNOWN,
    packed,
    rounded,
)
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    REGION_BYTES,
    PageBlock,
    StateArray,
    Topology,
)
from mmscand.sim.nodes import sim_topology

PAGES = 512
NOT_UP = np.zeros(STATES, dtype=np.bool_)


def block(
    *, slow: bool = True, first_frame: int = 0, present: int = PAGES, accessed: bool = True
) -> PageBlock:
    """A row of pages; frames of 4 KiB that follow each other."""
    addresses = np.array([REGION_BYTES], dtype=np.uint64)
    frames = (np.arange(PAGES, dtype=np.uint64) + np.uint64(first_frame))[None, :] << np.uint64(12)
    there = (np.arange(PAGES) < present)[None, :]
    return PageBlock(addresses, 1, frames, there, there & accessed, there & slow)


def two_rows(first: PageBlock, present: list[bool], slow: list[bool]) -> PageBlock:
    """A row and the one behind it, each all of one kind, without accesses."""
    next_address = first.addresses + np.uint64(HUGE_PAGE_BYTES)
    return replace(
        first,
        addresses=np.concatenate((first.addresses, next_address)),
        frames_or_how=np.repeat(first.frames, 2, axis=0),
        present=np.repeat([present], PAGES, axis=0).T,
        accessed=np.zeros((2, PAGES), dtype=np.bool_),
        slow=np.repeat([slow], PAGES, axis=0).T,
    )


def known(history: WatchHistory, seen: PageBlock, rate: float) -> StateArray:
    """Keep an estimate of this rate of all pages, whose bits were cleared."""
    state = rounded(packed(np.full(PAGES, 8.0), np.full(PAGES, 8.0 / rate)), throw=1)
    words = (history.words(seen) & ~(STATE | SEEN) | state) * seen.present
    history.put(seen, words, 5.0, cleared=True)
    return words & STATE


def times(history: WatchHistory, seen: PageBlock, now: float) -> tuple[float, float]:
    """When the bits of its row were cleared and read before this look."""
    _, found = history.meet(seen, now)
    return float(found.cleared[0]), float(found.read[0])


def test_of_new_pages_only_that_their_bits_are_set_is_known() -> None:
    words = WatchHistory().words(block(present=100))
    assert (words[0, :100] & ~TAG == UNKNOWN | SEEN).all()
    assert (words[0, 100:] == 0).all()


def test_a_page_with_another_frame_on_the_same_tier_is_new() -> None:
    history = WatchHistory()
    known(history, block(), 4.0)
    words = history.words(block(first_frame=1))
    assert (words & STATE == UNKNOWN).all()
    assert (words & SEEN != 0).all()


def test_a_page_that_moved_to_the_other_tier_keeps_what_is_known() -> None:
    history = WatchHistory()
    before = known(history, block(), 4.0)
    words = history.words(block(slow=False, first_frame=1))
    assert (words & STATE == before).all()
    assert (words & FAST == FAST).all()


def test_a_page_whose_frame_number_begins_with_zeros_and_is_on_watch_is_not_lost() -> None:
    history = WatchHistory()
    seen = block()
    history.put(seen, history.words(seen) & ~SEEN, 1.0, cleared=True)
    assert (history.words(seen) & SEEN == 0).all()


def test_pages_can_be_marked_and_forgiven() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 4.0)
    address = seen.addresses + np.uint64(3 * 4096)
    history.mark_stuck(address, 1)
    assert np.flatnonzero(history.words(seen)[0] & STATE == STUCK).tolist() == [3]
    history.forget_stuck()
    assert history.words(seen)[0, 3] & STATE == UNKNOWN
    assert history.words(seen)[0, 4] & STATE not in (STUCK, UNKNOWN)


def test_a_look_answers_the_times_of_the_looks_before() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 4.0)
    assert times(history, seen, 6.0) == (5.0, 5.0)
    assert times(history, seen, 9.0) == (5.0, 6.0)


def test_of_a_row_without_a_page_that_counts_nothing_is_kept() -> None:
    history, nothing = WatchHistory(), block(present=0)
    assert times(history, nothing, 1.0) == (1.0, 1.0)
    assert times(history, nothing, 2.0) == (2.0, 2.0)
    two = two_rows(nothing, present=[False, True], slow=[False, False])
    history.meet(two, 3.0)
    history.were_cleared(nothing, 4.0)
    _, found = history.meet(two, 5.0)
    assert found.read.tolist() == [5.0, 3.0]


def test_a_watch_takes_no_time_while_the_process_sleeps() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 4.0)
    history.slept(2.5)
    assert times(history, seen, 99.0) == (7.5, 7.5)


def test_what_is_unmapped_is_forgotten_with_its_times() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 4.0)
    history.end_pass()
    history.end_pass()  # a pass that did not meet it
    assert history.pages == 0
    assert not history.counts.kinds.any()
    assert times(history, seen, 9.0) == (9.0, 9.0)


def test_a_look_notices_what_was_mapped_unmapped_and_moved() -> None:
    history, seen = WatchHistory(), block(present=100)
    before = known(history, seen, 4.0)
    there = (np.arange(PAGES) >= 50)[None, :]
    now = PageBlock(seen.addresses, 1, seen.frames, there, there, there & (np.arange(PAGES) < 80))
    words, _ = history.meet(now, 6.0)
    assert (words[0, :50] == 0).all()
    assert (words[0, 50:100] & (STATE | SEEN) == before[0, 50:100]).all()
    assert (words[0, 80:] & FAST == FAST).all()
    assert (words[0, 100:] & (STATE | SEEN) == UNKNOWN | SEEN).all()
    assert (history.words(now) == words).all()


def test_pages_are_counted_by_kind_whatever_happens_to_them() -> None:
    history, seen, moved = WatchHistory(), block(present=300), block(present=200, slow=False)
    at = np.array([0, 0]), np.array([5, 6])
    other = tags_of(moved)[at] | FAST | SEEN | np.array([UNKNOWN, STUCK])
    steps: list[tuple[Callable[[], object], PageBlock]] = [
        (lambda: history.meet(seen, 1.0), seen),
        (lambda: known(history, seen, 4.0), seen),
        (lambda: history.mark_stuck(seen.addresses + np.uint64(8192), 1), seen),
        (lambda: history.trust_less(1), seen),
        (lambda: history.meet(moved, 7.0), moved),
        (lambda: history.note(seen, at, other), moved),
    ]
    for step, now in steps:
        step()
        expected = np.bincount(history.words(now)[0] & KIND, minlength=KINDS)
        expected[0] = 0  # no page
        assert (history.counts.kinds == expected).all()
    history.forget_stuck()
    assert history.counts.kinds.sum() == 198
    history.end_pass()
    history.end_pass()  # a pass that did not meet it
    assert not history.counts.kinds.any()


def at_rest(history: WatchHistory, seen: PageBlock, until: float, coldest: float = 1.0) -> None:
    """Let the row of the block rest from 5 s on."""
    history.begin_pass(5.0, ends=True)
    rest = Rest(np.array([1]), np.array([until]), np.array([coldest]))
    history.put(seen, history.words(seen), 5.0, cleared=True, rest=rest)
    history.end_pass()


def rests(history: WatchHistory, seen: PageBlock, now: float, *, ends: bool = True) -> bool:
    """Whether a pass at this time leaves the row out."""
    history.begin_pass(now, ends=ends)
    return bool(history.rests(seen.addresses)[0])


def test_a_row_rests_until_the_first_round_that_ends_after_its_time() -> None:
    history, seen = WatchHistory(), block()
    at_rest(history, seen, until=9.0)
    assert rests(history, seen, 8.9)
    assert rests(history, seen, 9.1, ends=False)
    assert not rests(history, seen, 9.1)


def test_a_row_whose_pages_moved_is_read_at_once() -> None:
    history, seen = WatchHistory(), block()
    at_rest(history, seen, until=9.0)
    history.moved(seen.addresses + np.uint64(4096), 1)
    assert not rests(history, seen, 5.1, ends=False)


def test_rows_with_fast_pages_that_may_make_way_are_read() -> None:
    history, seen = WatchHistory(), block()
    at_rest(history, seen, until=9.0, coldest=2.0)
    history.wake_colder(1.9)
    assert rests(history, seen, 5.1)
    history.wake_colder(2.0)
    assert not rests(history, seen, 5.1)


def test_a_change_wakes_all_rows() -> None:
    history, seen = WatchHistory(), block()
    at_rest(history, seen, until=9.0)
    history.wake()
    assert not rests(history, seen, 5.1, ends=False)


def test_a_surprise_wakes_the_rows_of_its_region() -> None:
    history, seen = WatchHistory(), block()
    at_rest(history, seen, until=9.0)
    other = replace(seen, addresses=seen.addresses + np.uint64(REGION_BYTES))
    at_rest(history, other, until=9.0)
    history.wake_regions(seen.addresses + np.uint64(HUGE_PAGE_BYTES))
    history.begin_pass(5.0, ends=True)
    history.end_pass()
    assert not rests(history, seen, 5.1, ends=False)
    assert rests(history, other, 5.1, ends=False)


def test_a_row_that_rested_and_is_woken_in_the_middle_of_a_pass_is_not_forgotten() -> None:
    history, seen = WatchHistory(), block()
    at_rest(history, seen, until=9.0)
    history.begin_pass(6.0, ends=True)
    history.moved(seen.addresses, 1)
    history.end_pass()
    assert history.pages == PAGES
    assert not rests(history, seen, 6.1, ends=False)


def test_a_row_that_rests_is_not_forgotten_when_a_pass_does_not_meet_it() -> None:
    history, seen = WatchHistory(), block()
    at_rest(history, seen, until=9.0)
    history.begin_pass(6.0, ends=True)
    history.end_pass()
    assert history.pages == PAGES


def on_node(topology: Topology, node: int, row: int, *, slow: bool) -> PageBlock:
    """A row of a region, with frames of this node."""
    ((start, _),) = topology.node(node).frame_ranges
    made = block(slow=slow, first_frame=start // PAGE_BYTES)
    return replace(made, addresses=made.addresses + np.uint64(row * HUGE_PAGE_BYTES))


TWO_NODES = sim_topology((0,), (1,), {0: PAGES, 1: PAGES})
FOUR_NODES = sim_topology((0, 1), (2, 3), dict.fromkeys(range(4), PAGES))


def cold_row(level: int = 4) -> tuple[WatchHistory, PageBlock]:
    """A row that was cleared at 5 s and not accessed since."""
    history, seen = WatchHistory(), block()
    words = known(history, seen, 0.01)
    rest = Rest(np.array([level]), np.array([100.0]), np.array([np.inf]))
    history.put(seen, words[None, 0], 5.0, cleared=True, rest=rest)
    return history, replace(seen, accessed=np.zeros_like(seen.present))


def test_a_row_in_which_nothing_has_happened_for_long_is_quiet_and_rests_on() -> None:
    history, seen = cold_row()
    quiet, words, read = history.quiet(seen, since=4.0, up=NOT_UP)
    assert (quiet.tolist(), words.shape, read.tolist()) == ([True], (1, PAGES), [5.0])
    history.begin_pass(101.0, ends=True)
    history.rest_on(seen, quiet, 101.0, np.array([200.0]))
    history.end_pass()
    history.begin_pass(150.0, ends=True)
    assert history.rests(seen.addresses).all()
    assert times(history, seen, 201.0) == (5.0, 101.0)  # its watch goes on


def one_accessed(seen: PageBlock) -> PageBlock:
    accessed = seen.accessed.copy()
    accessed[0, 17] = True
    return replace(seen, accessed=accessed)


@pytest.mark.parametrize(
    "happens",
    [
        one_accessed,
        lambda seen: replace(seen, slow=np.zeros_like(seen.slow)),
        lambda seen: block(present=PAGES - 1, accessed=False),
    ],
)
def test_a_row_in_which_something_has_happened_is_not_quiet(
    happens: Callable[[PageBlock], PageBlock],
) -> None:
    history, seen = cold_row()
    assert not history.quiet(happens(seen), since=4.0, up=NOT_UP)[0].any()


def test_a_row_that_was_cleared_lately_or_long_ago_or_is_not_on_watch_is_not_quiet() -> None:
    history, seen = cold_row()
    assert not history.quiet(seen, since=6.0, up=NOT_UP)[0].any()
    at = np.zeros(1, dtype=np.intp), np.full(1, 17)
    history.note(seen, at, history.words(seen)[at] | SEEN)
    assert not history.quiet(seen, since=4.0, up=NOT_UP)[0].any()
    history, seen = cold_row(level=3)
    assert not history.quiet(seen, since=4.0, up=NOT_UP)[0].any()
    assert not WatchHistory().quiet(seen, since=4.0, up=NOT_UP)[0].any()


def test_a_row_with_pages_that_are_promoted_is_not_quiet() -> None:
    history, seen = cold_row()
    up = NOT_UP.copy()
    (rows,) = history.slots(0, 1 << 63)
    up[rows.words[0, 17] & STATE] = True
    assert not history.quiet(seen, since=4.0, up=up)[0].any()


def test_hotness_is_in_how_many_of_six_seconds_a_page_is_accessed() -> None:
    history, seen = WatchHistory(), on_node(TWO_NODES, 1, 0, slow=True)
    known(history, seen, 50.0)
    assert history.hotness(TWO_NODES) == {1: [0, 0, 0, 0, 0, 0, PAGES]}
    known(history, seen, 0.01)
    assert history.hotness(TWO_NODES) == {1: [PAGES, 0, 0, 0, 0, 0, 0]}
    assert WatchHistory().hotness(TWO_NODES) == {}


def test_hotness_without_a_look_at_the_pages_is_that_of_the_pages() -> None:
    history = WatchHistory()
    for row, (node, rate) in enumerate(((1, 50.0), (1, 0.5), (0, 0.2), (0, 0.01))):
        known(history, on_node(TWO_NODES, node, row, slow=node == 1), rate)
    small = on_node(TWO_NODES, 1, 9, slow=True)
    one = np.ones((1, 1), dtype=np.bool_)
    huge = PageBlock(small.addresses, PAGES, small.frames[:, :1], one, one, one)
    state = rounded(packed(np.full(1, 8.0), np.full(1, 8.0)), throw=1)
    history.put(huge, history.words(huge) & ~STATE | state, 5.0, cleared=True)
    history.mark_stuck(block().addresses + np.uint64(20 * PAGE_BYTES), 1)
    found = history.hotness(TWO_NODES)
    assert found == {1: [0, 0, PAGES, 0, PAGES, 0, PAGES - 1], 0: [PAGES, PAGES, 0, 0, 0, 0, 0]}
    assert found == History.hotness(history, TWO_NODES)


def test_where_a_tier_has_several_nodes_each_is_distinguished() -> None:
    history = WatchHistory()
    rates = {0: 50.0, 1: 0.01, 2: 0.01, 3: 50.0}
    for node, rate in rates.items():
        known(history, on_node(FOUR_NODES, node, node, slow=node >= 2), rate)
    hot, cold = [0, 0, 0, 0, 0, 0, PAGES], [PAGES, 0, 0, 0, 0, 0, 0]
    assert history.hotness(FOUR_NODES) == {0: hot, 1: cold, 2: cold, 3: hot}


def test_a_row_without_pages_is_no_reason_to_copy_the_others() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 4.0)
    (before,) = history._parts.values()
    two = two_rows(seen, present=[True, False], slow=[True, False])
    history.put(two, history.words(two), 7.0, cleared=True)
    (after,) = history._parts.values()
    assert after is before
    assert history.pages == PAGES
    assert times(history, seen, 9.0) == (7.0, 7.0)
