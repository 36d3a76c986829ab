"""Cutting ranges into system calls, and what their answers lead to."""

import errno
import itertools
import os
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.linux import aging
from mmscand.linux.aging import Ager, first_call
from mmscand.linux.syscalls import MADV_COLD
from mmscand.model import UIntArray
from synthetic.tables import HUGE, PAGE, REGION, vma_table

Pair = tuple[int, int]

FAST = settings(max_examples=100, deadline=None)
IOV_MAX = 1024
MAX_RW_COUNT = (1 << 31) - PAGE
PIDFD = 77
START = 1 << 40


@st.composite
def range_lists(draw: st.DrawFn) -> list[Pair]:
    """Ascending ranges up to 66 MiB with gaps; a short pattern, repeated to get many."""
    pages = st.sampled_from([1, 1, 2, 16, 512, 4096, 16_384 + 512])
    pattern = draw(st.lists(st.tuples(pages, st.integers(1, 40)), min_size=1, max_size=5))
    found, at = [], START
    for number in range(draw(st.sampled_from([1, 2, 5, 30, 300, 1024, 1025, 2100]))):
        length, gap = pattern[number % len(pattern)]
        at += gap * PAGE
        found.append((at, length * PAGE))
        at += length * PAGE
    return found


def array(pairs: list[Pair]) -> UIntArray:
    return np.array(pairs, dtype=np.uint64).reshape(len(pairs), 2)


def pairs_of(parts: list[UIntArray]) -> list[Pair]:
    return [(int(at), int(length)) for part in parts for at, length in part]


@FAST
@given(range_lists(), st.integers(PAGE, 1 << 31))
def test_calls_take_every_range_in_order_and_no_more_than_they_may(
    pairs: list[Pair], most: int
) -> None:
    left, parts = array(pairs), list[UIntArray]()
    while len(left):
        parts.append(first_call(left, most))
        assert len(parts[-1])
        left = left[len(parts[-1]) :]
    assert pairs_of(parts) == pairs
    for part in parts:
        assert len(part) <= IOV_MAX
        assert len(part) == 1 or int(part[:, 1].sum()) <= most
    # Not more calls than needed: the first range of the next one would be too much.
    for first, second in itertools.pairwise(parts):
        assert len(first) == IOV_MAX or int(first[:, 1].sum()) + int(second[0, 1]) > most


@dataclass
class FakeKernel:
    """process_madvise: advises ranges in order until one is refused, or it likes to stop."""

    refuse: dict[int, int] = field(default_factory=dict)
    """errno by the address of a range."""
    step: int | None = None
    """Pages after which a call returns short."""
    advised: list[Pair] = field(default_factory=list)
    calls: int = 0

    def __call__(self, pidfd: int, ranges: UIntArray, advice: int) -> int:
        assert (pidfd, advice) == (PIDFD, MADV_COLD)
        assert 0 < len(ranges) <= IOV_MAX
        self.calls += 1
        left = MAX_RW_COUNT if self.step is None else self.step * PAGE
        done = 0
        for at, length in ranges.tolist():
            assert at % PAGE == 0
            assert length % PAGE == 0
            assert length > 0
            if code := self.refuse.get(at):
                if done:
                    return done
                raise OSError(code, os.strerror(code))
            taken = min(length, left)
            self.advised.append((at, taken))
            done, left = done + taken, left - taken
            if not left:
                return done
        return done


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    fake = FakeKernel()
    monkeypatch.setattr(aging, "process_madvise", fake)
    return fake


def install(fake: FakeKernel) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(aging, "process_madvise", fake)
    return patch


def glued(pairs: list[Pair]) -> list[Pair]:
    """Pieces that follow each other made one."""
    result: list[Pair] = []
    for at, length in pairs:
        if result and sum(result[-1]) == at:
            result[-1] = (result[-1][0], result[-1][1] + length)
        else:
            result.append((at, length))
    return result


def an_ager() -> Ager:
    return Ager(pid=123, pidfd=PIDFD)


@settings(max_examples=40, deadline=None)
@given(range_lists(), st.sampled_from([512, 700, 5000]))
def test_a_short_return_is_continued_at_the_very_page(pairs: list[Pair], step: int) -> None:
    fake = FakeKernel(step=step)
    patch = install(fake)
    try:
        covered, missed = an_ager().age(array(pairs), vma_table([(START, START << 1)]))
    finally:
        patch.undo()
    assert covered == sum(length for _, length in pairs)
    assert len(missed) == 0
    assert glued(fake.advised) == pairs


@FAST
@given(range_lists(), st.sets(st.integers(0, 40)), st.sampled_from([None, 512]))
def test_a_refused_range_is_left_out_and_its_mapping_remembered(
    pairs: list[Pair], bad: set[int], step: int | None
) -> None:
    vmas = [(at, at + length) for at, length in pairs]  # each range in a mapping of its own
    refused = {vmas[number] for number in bad if number < len(pairs)}
    fake = FakeKernel(refuse={start: errno.EINVAL for start, _ in refused}, step=step)
    patch = install(fake)
    try:
        ager = an_ager()
        covered, missed = ager.age(array(pairs), vma_table(vmas))
    finally:
        patch.undo()
    good = [(at, length) for at, length in pairs if (at, at + length) not in refused]
    assert glued(fake.advised) == glued(good)
    assert covered == sum(length for _, length in good)
    assert sorted(at for at, _ in missed.tolist()) == sorted(start for start, _ in refused)
    assert ager.refused == refused
    assert ager.errors[errno.EINVAL] == len(refused)


def test_nothing_to_age_is_no_call(kernel: FakeKernel) -> None:
    assert an_ager().age(array([]), vma_table([]))[0] == 0
    assert kernel.calls == 0


def test_a_process_that_exits_in_the_middle_is_gone(kernel: FakeKernel) -> None:
    kernel.refuse = {START + HUGE: errno.ESRCH}
    with pytest.raises(ProcessGone) as caught:
        an_ager().age(array([(START, PAGE), (START + HUGE, PAGE)]), vma_table([]))
    assert caught.value.pid == 123


def test_a_call_that_is_not_permitted_says_which_capabilities_it_needs(kernel: FakeKernel) -> None:
    kernel.refuse = {START: errno.EPERM}
    with pytest.raises(ProcessDenied, match="not allowed to age") as caught:
        an_ager().age(array([(START, PAGE)]), vma_table([]))
    assert "CAP_SYS_NICE" in caught.value.hint


def test_a_range_of_which_a_part_was_unmapped_is_aged_all_the_same(kernel: FakeKernel) -> None:
    """madvise(2) goes on behind a hole, and says ENOMEM in the end."""
    kernel.refuse = {START: errno.ENOMEM}
    ager = an_ager()
    pairs = [(START, PAGE), (START + HUGE, PAGE)]
    covered, missed = ager.age(array(pairs), vma_table([(START, REGION)]))
    assert (covered, missed.tolist()) == (2 * PAGE, [])
    assert ager.refused == set()


def test_a_mapping_that_refused_is_not_asked_for_each_of_its_ranges(kernel: FakeKernel) -> None:
    locked, fine = (START, START + REGION), (START + REGION, START + 2 * REGION)
    pairs = [(START + at * HUGE, PAGE) for at in range(1024)]
    kernel.refuse = {at: errno.EINVAL for at, _ in pairs if at < locked[1]}
    ager = an_ager()
    covered, missed = ager.age(array(pairs), vma_table([locked, fine]))
    assert (covered, len(missed)) == (512 * PAGE, 512)
    assert ager.refused == {locked}
    assert kernel.calls <= 4
