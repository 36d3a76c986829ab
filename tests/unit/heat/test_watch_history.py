"""What the stopwatch keeps of pages that are new, moved, stuck, or of a process that sleeps."""

import numpy as np

from mmscand.heat.watch_history import Times, WatchHistory
from mmscand.heat.word import FAST, SEEN, STATE, STUCK, TAG, UNKNOWN, packed, rounded
from mmscand.model import REGION_BYTES, IntArray, PageBlock, StateArray, UIntArray

PAGES = 512


def block(*, slow: bool = True, first_frame: int = 0, present: int = PAGES) -> PageBlock:
    """A row whose pages are accessed; frames of 4 KiB that follow each other."""
    addresses = np.array([REGION_BYTES], dtype=np.uint64)
    frames = (np.arange(PAGES, dtype=np.uint64) + np.uint64(first_frame))[None, :] << np.uint64(12)
    there = (np.arange(PAGES) < present)[None, :]
    return PageBlock(addresses, 1, frames, there, there.copy(), there & slow)


def known(history: WatchHistory, seen: PageBlock, rate: float) -> StateArray:
    """Keep an estimate of this rate of all pages, whose bits were cleared."""
    state = rounded(packed(np.full(PAGES, 8.0), np.full(PAGES, 8.0 / rate)), throw=1)
    words = history.words(seen) & ~(STATE | SEEN) | state
    history.put(seen, words, 5.0, cleared=True)
    return words & STATE


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
    history.restart(address + np.uint64(4096), 1)
    assert history.words(seen)[0, 4] & (STATE | SEEN) == UNKNOWN | SEEN


def test_a_watch_takes_no_time_while_the_process_sleeps() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 4.0)
    history.put(seen, history.words(seen), 6.0, cleared=False)
    history.slept(2.5)
    assert history.times(seen, 99.0) == Times(cleared=7.5, read=8.5)


def test_what_is_unmapped_is_forgotten_with_its_times() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 4.0)
    history.end_pass()
    history.end_pass()  # a pass that did not meet it
    assert history.pages == 0
    assert history.times(seen, 9.0) == Times(9.0, 9.0)


def test_hotness_is_in_how_many_of_six_seconds_a_page_is_accessed() -> None:
    history, seen = WatchHistory(), block()
    known(history, seen, 50.0)

    def node_of(frames: UIntArray) -> IntArray:
        return np.ones(len(frames), dtype=np.intp)

    assert history.hotness(node_of) == {1: [0, 0, 0, 0, 0, 0, PAGES]}
    known(history, seen, 0.01)
    assert history.hotness(node_of) == {1: [PAGES, 0, 0, 0, 0, 0, 0]}
