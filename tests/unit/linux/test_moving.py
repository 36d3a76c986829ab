"""Moving against a kernel that behaves as do_pages_move does (mm/migrate.c)."""

import errno
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.linux import moving
from mmscand.linux.moving import move, move_size, nodes
from mmscand.linux.syscalls import NOT_WRITTEN
from mmscand.model import IntArray, UIntArray

PAGE = 4096
FAST, SLOW = 0, 1
FINE, PINNED, ABSENT, SHARED = "fine", "pinned", "absent", "shared"
REFUSED = {ABSENT: -errno.ENOENT, SHARED: -errno.EACCES}


class FakeKernel:
    """Pages by number, each movable or not for a reason; counts the calls."""

    def __init__(self, kinds: list[str], room: int = 1 << 30) -> None:
        self.kinds = kinds
        self.node = [SLOW] * len(kinds)
        self.room = room
        self.calls = 0

    def move_pages(
        self,
        pid: int,
        addresses: UIntArray,
        node: int | None,
        *,
        shared: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> tuple[int, IntArray]:
        before()
        pages = [int(at) // PAGE for at in addresses]
        reported = np.full(len(pages), NOT_WRITTEN, dtype=np.int32)
        if node is None:
            reported[:] = [REFUSED.get(self.kinds[p], self.node[p]) for p in pages]
            return 0, reported
        self.calls += 1
        run: list[int] = []
        for at, page in enumerate(pages):
            if self.kinds[page] in REFUSED:
                reported[at] = REFUSED[self.kinds[page]]
                if left := self._flush(pages, run, reported, node):
                    return left + len(pages) - at, reported
                run = []
            else:
                run.append(at)
        return self._flush(pages, run, reported, node), reported

    def _flush(self, pages: list[int], run: list[int], reported: IntArray, node: int) -> int:
        left = 0
        for at in run:
            if self.kinds[pages[at]] == PINNED or self.room == 0:
                left += 1
            elif self.node[pages[at]] != node:
                self.node[pages[at]] = node
                self.room -= 1
        if left == 0:
            reported[run] = node
        return left


def moved_with(monkeypatch: pytest.MonkeyPatch, kernel: FakeKernel) -> list[int]:
    monkeypatch.setattr(moving, "move_pages", kernel.move_pages)
    addresses = np.arange(len(kernel.kinds), dtype=np.uint64) * np.uint64(PAGE)
    return move(7, addresses, FAST, move_size()).tolist()


@given(st.lists(st.sampled_from([FINE, FINE, FINE, PINNED, ABSENT, SHARED]), max_size=60))
def test_every_page_that_can_move_does_and_every_other_reports_why(kinds: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kernel = FakeKernel(kinds)
        status = moved_with(patch, kernel)
    expected = {FINE: FAST, PINNED: -errno.EBUSY, **REFUSED}
    # A run that is nothing but pinned says nothing; what follows it may be taken for busy.
    for kind, found in zip(kinds, status, strict=True):
        assert found == expected[kind] or (found == -errno.EBUSY and PINNED in kinds)
    assert kernel.calls <= 2 + kinds.count(ABSENT) + kinds.count(SHARED)


def test_one_pinned_page_keeps_no_other_page_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [FINE] * 200
    kinds[77] = PINNED
    status = moved_with(monkeypatch, FakeKernel(kinds))
    assert [at for at, found in enumerate(status) if found != FAST] == [77]
    assert status[77] == -errno.EBUSY


def test_pages_that_find_no_room_stay_and_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel([FINE] * 10, room=4)
    status = moved_with(monkeypatch, kernel)
    assert status == [FAST] * 4 + [-errno.EBUSY] * 6


def answering(
    monkeypatch: pytest.MonkeyPatch, answers: list[tuple[int, list[int]]]
) -> list[tuple[list[int], int | None]]:
    asked: list[tuple[list[int], int | None]] = []

    def move_pages(
        pid: int, addresses: UIntArray, node: int | None, **_: object
    ) -> tuple[int, IntArray]:
        asked.append((addresses.tolist(), node))
        result, reported = answers[len(asked) - 1]
        return result, np.array(reported, dtype=np.int32)

    monkeypatch.setattr(moving, "move_pages", move_pages)
    return asked


ADDRESSES = np.array([PAGE, 2 * PAGE, 3 * PAGE], dtype=np.uint64)


def test_the_rest_of_a_large_folio_that_moved_reads_busy_and_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [(0, [-errno.EBUSY, 0, -errno.EBUSY]), (0, [0, SLOW])]
    asked = answering(monkeypatch, answers)
    assert move(7, ADDRESSES, FAST, move_size()).tolist() == [FAST, FAST, -errno.EBUSY]
    assert asked[1] == ([PAGE, 3 * PAGE], None)


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ESRCH, ProcessGone), (errno.EPERM, ProcessDenied)]
)
def test_a_process_that_is_gone_or_denied_ends_it(
    code: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, [(-code, [NOT_WRITTEN] * 3)])
    with pytest.raises(kind):
        move(7, ADDRESSES, FAST, move_size())


def test_a_call_that_fails_as_a_whole_is_the_status_of_every_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, [(-errno.ENODEV, [NOT_WRITTEN] * 3), (0, [SLOW] * 3)])
    assert move(7, ADDRESSES, FAST, move_size()).tolist() == [-errno.ENODEV] * 3


def test_asking_moves_nothing_and_reports_what_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = FakeKernel([FINE, ABSENT, PINNED])
    monkeypatch.setattr(moving, "move_pages", kernel.move_pages)
    pages = np.arange(3, dtype=np.uint64) * np.uint64(PAGE)
    assert nodes(1, pages).tolist() == [SLOW, -errno.ENOENT, SLOW]
    assert kernel.calls == 0


def test_asking_when_nothing_is_reported_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> tuple[int, IntArray]:
        return -errno.ENOMEM, np.full(2, NOT_WRITTEN, dtype=np.int32)

    monkeypatch.setattr(moving, "move_pages", refuse)
    assert (nodes(1, np.zeros(2, dtype=np.uint64)) < 0).all()


def test_a_process_that_exits_between_two_calls_is_found_out_before_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel, looks = FakeKernel([FINE] * 200), [None, ProcessGone(7)]
    monkeypatch.setattr(moving, "move_pages", kernel.move_pages)

    def alive() -> None:
        if (gone := looks.pop(0)) is not None:
            raise gone

    pages = np.arange(200, dtype=np.uint64) * np.uint64(PAGE)
    with pytest.raises(ProcessGone):
        move(7, pages, FAST, move_size(), before=alive)
    assert kernel.calls == 1  # what comes after might be another process' memory
    assert kernel.node.count(FAST) == 64
