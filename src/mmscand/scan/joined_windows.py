"""Windows with few rows are taken in together.

A region (1 GiB) of a large process has a dozen rows that are due, and the 150 calls of numpy for
it take 0.5 ms, however few rows there are.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from mmscand.heat.rows import PART_BYTES
from mmscand.model import PageBlock, Window

_MOST_ROWS = 512
"""Of a window, in all its blocks: as many as a region with 4K pages has."""


def joined(windows: Iterable[Window]) -> Iterator[Window]:
    """Neighbours of one part (heat.rows) as one, up to 512 rows together. What the reader reuses is
    copied: all of it is valid until the next one is asked for.
    """
    waiting: list[Window] = []
    rows = 0
    for window in windows:
        more = sum(len(block.addresses) for block in window.blocks)
        if waiting and (rows + more > _MOST_ROWS or not _in_one_part(waiting[0], window)):
            ready, waiting, rows = waiting, [_copy(window)], more
            yield _as_one(ready)
        elif waiting or more < _MOST_ROWS // 2:
            waiting.append(_copy(window))
            rows += more
        else:
            yield window
    if waiting:
        yield _as_one(waiting)


def _in_one_part(first: Window, last: Window) -> bool:
    return first.start // PART_BYTES == (last.end - 1) // PART_BYTES


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
    sizes = sorted({block.pages_per_slot for block in blocks})
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
