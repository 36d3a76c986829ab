"""When a page was moved last."""

import numpy as np

from mmscand.scan.moves_log import MovesLog


def addresses(*pages: int) -> np.ndarray:
    return np.array(pages, dtype=np.uint64) << np.uint64(12)


def test_the_latest_move_of_a_slot_is_known() -> None:
    log = MovesLog()
    log.note(addresses(1, 5, 9), 10.0, demotes=False)
    log.note(addresses(5), 20.0, demotes=True)
    assert log.last(5 << 12) == (20.0, True)
    assert log.last(9 << 12) == (10.0, False)
    assert log.last(2 << 12) is None
    assert log.last(99 << 12) is None


def test_memory_is_bounded_and_the_latest_batch_stays() -> None:
    log = MovesLog()
    for batch in range(100):
        log.note(addresses(*range(1000)), float(batch), demotes=False)
    log.note(addresses(*range(100_000)), 100.0, demotes=True)
    assert log.last(0) == (100.0, True)
    assert len(log._batches) == 1
