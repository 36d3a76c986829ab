"""/proc/PID/pagemap, as a sparse file of 64-bit entries."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import ProcessGone
from mmscand.linux.pagemap import Pagemap
from mmscand.model import UIntArray
from synthetic.memory import words
from synthetic.tables import HUGE, PAGE

PID = 31
PRESENT, SWAPPED, FILE, EXCLUSIVE, SOFT_DIRTY = 1 << 63, 1 << 62, 1 << 61, 1 << 56, 1 << 55


class FakePagemap:
    """The file, an entry written at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / str(PID) / "pagemap"
        self.path.parent.mkdir()
        self.path.touch()

    def put(self, address: int, *entries: int) -> None:
        with self.path.open("r+b") as file:
            file.seek(address // PAGE * 8)
            file.write(words(*entries))


@pytest.fixture
def fake(tmp_path: Path) -> FakePagemap:
    return FakePagemap(tmp_path)


@pytest.fixture
def pagemap(fake: FakePagemap) -> Iterator[Pagemap]:
    opened = Pagemap(PID, fake.root)
    yield opened
    opened.close()


def at(*addresses: int) -> UIntArray:
    return np.array(addresses, dtype=np.uint64)


def test_frames_are_physical_addresses_of_present_pages_only(
    fake: FakePagemap, pagemap: Pagemap
) -> None:
    start = 3 * HUGE + 5 * PAGE
    biggest = (1 << 55) - 1
    fake.put(start - PAGE, PRESENT | 1)
    fake.put(
        start,
        PRESENT | 0x1234,
        SWAPPED | 0x77,
        0,
        PRESENT | FILE | EXCLUSIVE | SOFT_DIRTY | 5,
        PRESENT | (biggest >> 15),
        PRESENT,  # the frame is hidden from who lacks CAP_SYS_ADMIN
    )
    frames = pagemap.frames(start, 6)
    assert frames.dtype == np.uint64
    assert frames.tolist() == [0x1234 * PAGE, 0, 0, 5 * PAGE, (biggest >> 15) * PAGE, 0]


def test_pages_beyond_the_end_of_the_file_have_no_frame(
    fake: FakePagemap, pagemap: Pagemap
) -> None:
    fake.put(0, PRESENT | 9)
    assert pagemap.frames(0, 4).tolist() == [9 * PAGE, 0, 0, 0]
    assert pagemap.frames(1 << 46, 2).tolist() == [0, 0]


def test_pages_are_shared_when_they_are_present_and_not_exclusive(
    fake: FakePagemap, pagemap: Pagemap
) -> None:
    fake.put(HUGE, PRESENT, PRESENT | EXCLUSIVE, 0, SWAPPED, PRESENT | FILE)
    fake.put(7 * HUGE + 511 * PAGE, PRESENT | 1, PRESENT | EXCLUSIVE | 1)
    addresses = at(
        *(HUGE + n * PAGE for n in (0, 1, 2, 3, 4)), 7 * HUGE + 511 * PAGE, 8 * HUGE, 1 << 45
    )
    expected = [True, False, False, False, True, True, False, False]
    assert pagemap.shared(addresses).tolist() == expected
    assert pagemap.shared(addresses[[0, 4, 5]]).tolist() == [True, True, True]


def test_nothing_asked_for_is_nothing_shared(pagemap: Pagemap) -> None:
    assert pagemap.shared(at()).tolist() == []


def test_opening_the_pagemap_of_a_process_that_vanished_is_process_gone(tmp_path: Path) -> None:
    with pytest.raises(ProcessGone) as caught:
        Pagemap(PID, tmp_path)
    assert caught.value.pid == PID


def test_closing_gives_the_descriptor_back(fake: FakePagemap) -> None:
    before = os.listdir("/proc/self/fd")
    Pagemap(PID, fake.root).close()
    assert os.listdir("/proc/self/fd") == before
