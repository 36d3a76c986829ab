"""Windows that are taken in together, read by a reader that uses its arrays again."""

from collections.abc import Iterator

import numpy as np
import pytest

from mmscand.heat.rows import PART_BYTES
from mmscand.model import HUGE_PAGE_BYTES, REGION_BYTES, PageBlock, Window
from mmscand.scan.joined_windows import joined

Rows = tuple[int, int]
"""Region, and how many rows it has."""
_WIDTH = {1: 512, 512: 1}


class Reader:
    """All windows are in the same arrays, one after another, as the kernel's are."""

    def __init__(self, sizes: tuple[int, ...] = (1,)) -> None:
        self.sizes = sizes
        self.read = 0
        self._arrays = {
            size: (np.empty(512, np.uint64), np.empty((512, _WIDTH[size]), np.uint64))
            for size in sizes
        }
        self._masks = {size: np.empty((3, 512, _WIDTH[size]), np.bool_) for size in sizes}

    def windows(self, *regions: Rows) -> Iterator[Window]:
        for region, rows in regions:
            self.read += 1
            blocks = tuple(self._block(size, region, rows) for size in self.sizes)
            yield Window(region * REGION_BYTES, (region + 1) * REGION_BYTES, blocks, discarded=1)

    def _block(self, size: int, region: int, rows: int) -> PageBlock:
        (addresses, frames), masks = self._arrays[size], self._masks[size]
        addresses[:] = np.arange(512) * HUGE_PAGE_BYTES + region * REGION_BYTES
        frames[:] = region
        masks[:] = region % 2 == 0
        mine = slice(rows)
        return PageBlock(
            addresses[mine],
            size,
            lambda: frames[mine],
            masks[0, mine],
            masks[1, mine],
            masks[2, mine],
        )


def shapes(*regions: Rows) -> list[tuple[int, int, int]]:
    """First region, the one behind the last, and rows of each window that comes out."""
    found = joined(Reader().windows(*regions))
    return [
        (each.start // REGION_BYTES, each.end // REGION_BYTES, len(each.blocks[0].addresses))
        for each in found
    ]


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([], []),
        ([(1, 512)], [(1, 2, 512)]),
        ([(1, 16), (2, 16), (5, 16)], [(1, 6, 48)]),
        ([(1, 200), (2, 200), (3, 200)], [(1, 3, 400), (3, 4, 200)]),
        (
            [(1, 512), (2, 3), (3, 512)],
            [(1, 2, 512), (2, 3, 3), (3, 4, 512)],
        ),
        ([(14, 1), (15, 1), (16, 1), (17, 1)], [(14, 16, 2), (16, 18, 2)]),
    ],
)
def test_small_neighbours_of_one_part_are_one_window_of_at_most_512_rows(
    regions: list[Rows], expected: list[tuple[int, int, int]]
) -> None:
    assert PART_BYTES == 16 * REGION_BYTES
    assert shapes(*regions) == expected


def test_what_the_reader_uses_again_was_copied() -> None:
    regions = [(2, 3), (3, 4), (4, 512), (5, 512), (6, 1)]
    seen = []
    for window in joined(Reader((512, 1)).windows(*regions)):
        assert [block.pages_per_slot for block in window.blocks] == [512, 1]
        for block in window.blocks:
            of = block.addresses // np.uint64(REGION_BYTES)
            assert (block.frames == of[:, None]).all()
            for mask in (block.present, block.accessed, block.slow):
                assert (mask == (of[:, None] % 2 == 0)).all()
        seen += window.blocks[0].addresses.tolist()
    rows = [(region, row) for region, rows in regions for row in range(rows)]
    assert seen == [region * REGION_BYTES + row * HUGE_PAGE_BYTES for region, row in rows]


def test_a_large_window_is_handed_on_before_the_next_one_is_read() -> None:
    reader = Reader()
    windows = joined(reader.windows((1, 512), (2, 512), (3, 512)))
    next(windows)
    assert reader.read == 1


def test_after_a_small_window_in_front_large_ones_are_handed_on_one_by_one() -> None:
    reader = Reader()
    windows = joined(reader.windows((1, 3), (2, 512), (3, 512), (4, 512)))
    assert [(next(windows).start // REGION_BYTES, reader.read) for _ in range(4)] == [
        (1, 2),  # the next one did not fit
        (2, 2),
        (3, 3),
        (4, 4),
    ]


def test_no_more_is_joined_than_is_looked_at_together() -> None:
    found = joined(Reader().windows(*((region, 12) for region in range(1, 9))), 36 * 512)
    assert [len(each.blocks[0].addresses) for each in found] == [36, 36, 24]


def test_garbage_behind_the_last_window_does_not_bring_the_end_back() -> None:
    behind = Window(REGION_BYTES, REGION_BYTES, (), discarded=7)
    found = list(joined([*Reader().windows((1, 3)), *Reader().windows((2, 3)), behind]))
    assert [each.end // REGION_BYTES for each in found] == [3, 1]
    assert [each.discarded for each in found] == [2, 7]


def test_garbage_that_was_met_is_counted() -> None:
    (window,) = joined(Reader().windows((1, 2), (2, 2), (3, 2)))
    assert window.discarded == 3
