"""Counts of rows are those of their pages, unpacked one by one."""

from pathlib import Path

import numpy as np
import pytest

from mmscand.model import HUGE_PAGE_BYTES
from mmscand.record.row_counts import RowCounts
from mmscand.record.tables import unpack
from support.sim_daemon import tiers
from unit.record.test_recorder import tape


@pytest.mark.parametrize("huge", [False, True])
def test_counts_are_those_of_all_pages(tmp_path: Path, huge: bool) -> None:
    random, world = np.random.default_rng(5), tiers(huge=huge)
    slots = world.vma.accessed.size

    def step() -> None:
        world.vma.accessed.reshape(-1)[random.integers(slots, size=slots // 3)] = True
        world.machine.migrate(world.vma, int(random.integers(slots)), 0)

    passes = tape(world.machine, tmp_path / "r", [step] * 6).passes
    counts, layout = RowCounts(), {}
    for number, seen in enumerate(passes):
        counts.take(seen)
        layout |= {int(row["address"]): row for row in seen.layout}
        for at, row in enumerate(counts.numbers.tolist()):
            known = layout[row * HUGE_PAGE_BYTES]
            size = np.array([known["pages_per_slot"]])
            present = unpack(known["present"][None], size)
            assert counts.present[at] == present.sum()
            assert counts.slow[at] == unpack(known["slow"][None], size).sum()
            mine = seen.accessed[seen.accessed["address"] == row * HUGE_PAGE_BYTES]
            pages = unpack(mine["accessed"], np.repeat(size, len(mine))).sum()
            assert counts.accessed[at] == (pages if number else 0)
            assert counts.known[at] == (present.sum() if number else 0)
    assert counts.slow.sum() < counts.present.sum()
    counts.left()
    assert counts.present.sum() == 0
