"""Failures are remembered by page and reason, against a simple model."""

import errno

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmscand.model import BoolArray
from mmscand.policy.back_off import (
    FIRST_DELAY_S,
    GROWTH,
    LONGEST_DELAY_S,
    BackOff,
)

PAGES = np.arange(1, 9, dtype=np.uint64) * np.uint64(4096)


def note(back_off: BackOff, page: int, status: int, now: float) -> None:
    back_off.note(PAGES[page : page + 1], np.array([status], dtype=np.int32), now)


def held(back_off: BackOff, now: float) -> list[int]:
    mask: BoolArray = back_off.holds(PAGES, now)
    return np.flatnonzero(mask).tolist()


def test_a_busy_page_waits_longer_each_time_up_to_a_limit() -> None:
    back_off, now, waits = BackOff(), 100.0, []
    for _ in range(5):
        note(back_off, 2, -errno.EBUSY, now)
        assert held(back_off, now) == [2]
        end = now
        while held(back_off, end):
            end += 1.0
        waits.append(end - now)
        now = end
    assert waits == [4.0, 32.0, 256.0, 600.0, 600.0]


def test_a_pinned_page_is_tried_twenty_times_less_often_than_every_other_second() -> None:
    back_off, tries = BackOff(), 0
    for second in range(0, 600, 2):
        if 2 not in held(back_off, float(second)):
            tries += 1
            note(back_off, 2, -errno.EBUSY, float(second))
    assert 300 / tries >= 20


def test_a_full_node_and_a_vanished_page_are_not_the_page_s_doing() -> None:
    back_off = BackOff()
    for status in (-errno.ENOMEM, -errno.ENOENT, -errno.EFAULT):
        note(back_off, 1, status, 0.0)
    assert held(back_off, 0.0) == []
    assert len(back_off) == 0


def test_a_page_that_moved_is_forgotten() -> None:
    back_off = BackOff()
    note(back_off, 1, -errno.EBUSY, 0.0)
    note(back_off, 1, 0, 1.0)
    assert held(back_off, 1.0) == []
    note(back_off, 1, -errno.EBUSY, 2.0)
    assert held(back_off, 5.0) == [1]
    assert held(back_off, 6.5) == []


STATUSES = st.sampled_from([0, 1, -errno.EBUSY, -errno.EACCES, -errno.ENOMEM])


@given(st.lists(st.tuples(st.sets(st.integers(0, 7)), STATUSES, st.floats(0, 300)), max_size=30))
def test_it_agrees_with_a_record_for_each_page(steps: list[tuple[set[int], int, float]]) -> None:
    back_off, now = BackOff(), 0.0
    until: dict[int, float] = {}
    failures: dict[int, int] = {}
    for pages, status, passed in steps:
        now += passed
        chosen = sorted(pages)
        back_off.note(PAGES[chosen], np.full(len(chosen), status, dtype=np.int32), now)
        for page in chosen:
            first = FIRST_DELAY_S.get(-status, 0.0)
            if first:
                until[page] = now + min(first * GROWTH ** failures.get(page, 0), LONGEST_DELAY_S)
                failures[page] = failures.get(page, 0) + 1
            else:
                until.pop(page, None)
                failures.pop(page, None)
        assert held(back_off, now) == sorted(p for p, end in until.items() if end > now)
        assert len(back_off) == len(until)
