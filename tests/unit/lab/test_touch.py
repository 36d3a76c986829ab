"""Which pages are touched, how often, and which cache lines of them."""

import numpy as np
import pytest

from mmscand_lab.touch import Drawn, InTurn, streamed
from mmscand_lab.truth import hot_pages, hot_rates, shifted, zipf_rates


@pytest.mark.parametrize("write_share", [0.0, 0.5, 1.0])
def test_a_pass_touches_each_hot_page_once_and_no_cold_page(write_share: float) -> None:
    words = np.full(9000 * 512, 7777, dtype=np.uint64)
    hot = hot_pages(9000, 5000, "random", 1)
    toucher = InTurn(words, hot, write_share, 1)
    assert sum(toucher.touch_once()) == 5000
    written = (words.reshape(-1, 512) != 7777).sum(axis=1)
    assert written.max() <= 1
    assert not written[~hot].any()
    assert written.sum() == round(5000 * write_share)


def test_passes_write_all_hot_pages_and_many_cache_lines_in_time() -> None:
    words = np.full(300 * 512, 7777, dtype=np.uint64)
    hot = hot_pages(300, 256, "range", 1)  # 1 MiB: less than one chunk
    toucher = InTurn(words, hot, 0.5, 1)
    for _ in range(200):
        assert sum(toucher.touch_once()) == 256
    touched = words.reshape(-1, 512) != 7777
    assert (touched.any(axis=1) == hot).all()
    assert touched.any(axis=0).sum() > 32


def test_after_a_shift_other_pages_are_touched_and_as_many() -> None:
    words = np.full(300 * 512, 7777, dtype=np.uint64)
    hot = hot_pages(300, 30, "random", 1)
    toucher = InTurn(words, hot, 1.0, 1)
    toucher.change()
    assert sum(toucher.touch_once()) == 30
    written = (words.reshape(-1, 512) != 7777).any(axis=1)
    assert (written == shifted(hot, 1)).all()
    assert not (written & hot).any()


def test_memory_elsewhere_is_used_with_every_pass() -> None:
    words, home = np.full((2, 300 * 512), 7777, dtype=np.uint64)
    toucher = InTurn(words, hot_pages(300, 30, "random", 1), 0.5, 1, home)
    for _ in range(2):
        assert sum(toucher.touch_once()) == 30
    assert (home.reshape(-1, 512)[:, 0] == 7779).all()


def visits(toucher: Drawn, words: np.ndarray, rounds: int) -> np.ndarray:
    """Of each page, in how many rounds it was written to (words of 0 become 1)."""
    seen = np.zeros(words.size // 512, dtype=np.int64)
    for _ in range(rounds):
        words[:] = 0
        assert sum(toucher.touch_once()) == 8 * 4096
        seen += words.reshape(-1, 512).any(axis=1)
    return seen


def test_drawn_pages_are_touched_as_often_as_their_rates_say() -> None:
    words = np.zeros(1000 * 512, dtype=np.uint64)
    hot = hot_pages(1000, 100, "random", 1)
    seen = visits(Drawn(words, hot_rates(hot, 0.9), 64, 1.0, 1), words, 20)
    # 512 visits a round: 4.6 to a hot page, 0.057 to a cold one. As bits: 99 % and 5.5 %.
    assert seen[hot].mean() / 20 == pytest.approx(1 - np.exp(-4.6), abs=0.02)
    assert seen[~hot].mean() / 20 == pytest.approx(1 - np.exp(-0.057), abs=0.02)


def test_a_visit_touches_this_many_lines_of_a_page() -> None:
    words = np.zeros(8 * 512, dtype=np.uint64)
    one_page = np.eye(8)[3]
    chunks = Drawn(words, one_page, 16, 1.0, 1).touch_once()
    assert next(chunks) == 4096
    assert np.flatnonzero(words.reshape(-1, 512).any(axis=1)).tolist() == [3]
    assert words.sum() == 16


def test_a_stream_reads_each_of_the_coldest_pages_once_and_writes_none() -> None:
    rates = zipf_rates(1000, 0.99, 1)
    words = np.zeros(1000 * 512, dtype=np.uint64)
    toucher = Drawn(words, rates, 32, 0.0, 1)
    toucher.change()
    touched = sum(sum(toucher.touch_once()) for _ in range(10))
    assert touched == 10 * 8 * 4096 + 700 * 32
    assert not words.any()
    assert streamed(rates).size == 700
    assert rates[streamed(rates)].max() < np.sort(rates)[-299]
