"""Windows with few rows are taken in together.

A region (1 GiB) of a large process has a dozen rows that are due, and the 150 calls of numpy for
it take 0.5 ms, however few rows there are.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from mmscand.heat.rows import PART_BYTES
from mmscand.model import PAGE_BYTES, REGION_BYTES, PageBlock, Window

_MOST_PAGES = REGION_BYTES // PAGE_BYTES
"""Of a window, in 4 KiB pages: as many as a region has."""


def joined(windows: Iterable[Window], most_pages: int = _MOST_PAGES) -> Iterator[Window]:
    """Neighbours of one part (heat.rows) as one, up to a number of 4 KiB pages that is looked at
    together. What the reader reuses is copied: a window is valid until the next one is asked for.
    """
    most, waiting, pages = min(most_pages, _MOST_PAGES), list[Window](), 0
    for window in windows:
        next_one = window
        if waiting and not (pages + window.pages <= most and _are_neighbours(waiting[0], window)):
            next_one = _copy(window)  # while the others are taken in, the reader may go on
            yield _as_one(waiting)
            waiting, pages = [], 0
        if window.blocks and (waiting or window.pages < most // 2):
            waiting.append(_copy(next_one))
            pages += next_one.pages
        else:
            yield next_one
    if waiting:
        yield _as_one(waiting)


def _are_neighbours(first: Window, last: Window) -> bool:
    """In one part. A window without blocks says only that there was garbage."""
    in_one_part = first.start // PART_BYTES == (last.end - 1) // PART_BYTES
    return in_one_part and bool(last.blocks)


def _copy(window: Window) -> Window:
    """With arrays that the reader does not use again."""
    return Window(window.start, window.end, tuple(map(_kept, window.blocks)), window.discarded)


def _kept(block: PageBlock) -> PageBlock:
    masks = (block.present.copy(), block.accessed.copy(), block.slow.copy())
    return PageBlock(block.addresses.copy(), block.pages_per_slot, block.frames.copy(), *masks)


def _as_one(windows: list[Window]) -> Window:
    """Of ascending windows."""
    if len(windows) == 1:
        return windows[0]
    blocks = [block for window in windows for block in window.blocks]
    sizes = sorted({block.pages_per_slot for block in blocks}, reverse=True)
    return Window(
        windows[0].start,
        windows[-1].end,
        tuple(_concatenated([b for b in blocks if b.pages_per_slot == size]) for size in sizes),
        sum(window.discarded for window in windows),
    )


def _concatenated(blocks: list[PageBlock]) -> PageBlock:
    """Of one slot size, ascending."""
    return PageBlock(
        np.concatenate([block.addresses for block in blocks]),
        blocks[0].pages_per_slot,
        np.concatenate([block.frames for block in blocks]),
        np.concatenate([block.present for block in blocks]),
        np.concatenate([block.accessed for block in blocks]),
        np.concatenate([block.slow for block in blocks]),
    )
