"""Room of bands, and the pieces that the daemon says of."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.heat.pass_history import PassHistory
from mmscand.heat.picture import allotted, cuts, mapping_of, pieces_of
from mmscand.heat.row_heat import RowHeat
from mmscand.heat.watch_history import WatchHistory
from mmscand.heat.word import RATE
from mmscand.model import HUGE_PAGE_BYTES, MappingNames
from unit.heat.test_watch_history import PAGES, block, known

ROW = HUGE_PAGE_BYTES


def names(*mappings: tuple[int, int, bytes]) -> MappingNames:
    """From row to row of 2 MiB."""
    starts, ends = (np.array([m[at] * ROW for m in mappings], dtype=np.uint64) for at in (0, 1))
    return MappingNames(starts, ends, tuple(m[2] for m in mappings))


def rows(numbers: list[int], heat: float = 512.0) -> RowHeat:
    count = len(numbers)
    known = np.full(count, PAGES, dtype=np.intp)
    return RowHeat(
        np.array(numbers, dtype=np.uint64) * np.uint64(ROW),
        np.full(count, heat),
        known,
        known // 4,
        known // 2,
    )


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30), st.integers(30, 200))
def test_each_band_has_a_row_and_all_fit(sizes: list[int], most: int) -> None:
    heights = allotted(sizes, most)
    assert sum(heights) <= most
    assert min(heights) >= 1
    assert all(height <= size for height, size in zip(heights, sizes, strict=True))
    by_size = [height for _, height in sorted(zip(sizes, heights, strict=True))]
    assert all(low <= high + 1 for low, high in pairwise(by_size))
    begins = cuts(sizes, heights)
    assert len(begins) == sum(heights)
    assert (np.diff(begins) > 0).all()


def test_a_small_band_is_as_high_as_its_name_and_a_large_one_gets_the_rest() -> None:
    assert allotted([1000, 1], 20, least=4) == [16, 4]
    assert allotted([3, 1], 20, least=4) == [4, 4]
    assert cuts([3, 1], [4, 4]).tolist() == [0, 0, 1, 2, 3, 3, 3, 3]
    assert allotted([9, 9, 9], 4, least=4) == [2, 1, 1]
    with pytest.raises(ValueError, match="3 bands"):
        allotted([1, 1, 1], 2)


def test_a_row_belongs_to_the_mapping_that_has_most_of_it() -> None:
    starts = np.array([0, 10, 700, 1024], dtype=np.uint64) * np.uint64(4096)
    ends = np.array([10, 600, 1000, 1100], dtype=np.uint64) * np.uint64(4096)
    places = np.array([0, 1, 2, 3], dtype=np.uint64) * np.uint64(ROW)
    assert mapping_of(starts, ends, places).tolist() == [1, 2, 3, -1]
    assert mapping_of(starts[:0], ends[:0], places).tolist() == [-1] * 4


def test_pieces_end_with_their_mapping_and_hold_all_pages() -> None:
    found = pieces_of(
        rows([1, 2, 3, 900, 901, 5000]), "rate", names((1, 4, b"a"), (900, 902, b"b")), 4
    )
    assert found.mappings.names == (b"a", b"b")
    assert sorted(set(found.mapping.tolist())) == [0, 1, 2]
    assert found.mapping[-1] == 2  # no mapping holds row 5000 now
    assert found.known.sum() == 6 * PAGES
    assert (found.slow.sum(), found.fast.sum()) == (6 * PAGES // 4, 6 * PAGES // 2)
    assert (found.starts[0], found.ends[-1]) == (ROW, 5001 * ROW)
    assert found.heat.tolist() == [1.0] * 4


def test_more_mappings_than_pieces_share_them() -> None:
    mappings = names(*((at, at + 1, b"%d" % at) for at in range(1, 101)))
    found = pieces_of(rows(list(range(1, 101))), "rate", mappings, 10)
    assert len(found.starts) == 10
    assert found.known.sum() == 100 * PAGES


def test_nothing_known_is_no_piece() -> None:
    assert len(pieces_of(rows([]), "rate", MappingNames.none(), 4).starts) == 0
    assert len(WatchHistory().row_heat().addresses) == 0


def test_the_heat_of_a_row_is_the_sum_of_its_pages_rates() -> None:
    history = WatchHistory()
    seen = block(present=100)
    words = known(history, seen, 3.0)[0, :100]
    found = history.row_heat()
    expected = RATE[words & 127].sum()
    assert found.heat[0] == pytest.approx(expected, rel=0.01)
    assert (found.known[0], found.slow[0], found.fast[0]) == (100, 100, 0)
    assert found.addresses.tolist() == [int(seen.addresses[0])]
    history = WatchHistory()
    known(history, block(slow=False, present=100), 3.0)
    assert (history.row_heat().slow[0], history.row_heat().fast[0]) == (0, 100)


def test_pages_that_nothing_is_known_of_are_there_and_have_no_heat() -> None:
    history, seen = WatchHistory(), block(present=100)
    history.put(seen, history.words(seen), 1.0, cleared=False)
    found = history.row_heat()
    assert (found.heat[0], found.known[0], found.slow[0]) == (0, 0, 100)
    pieces = pieces_of(found, "rate", MappingNames.none(), 4)
    assert np.isnan(pieces.heat[0])


def test_the_policies_of_the_rfc_report_passes() -> None:
    history, seen = PassHistory(), block(present=100)
    for _ in range(4):
        history.fold(seen)
    found = history.row_heat()
    assert (found.heat[0], found.known[0]) == (300, 100)  # what was set at first says nothing
    assert PassHistory.UNIT == "passes"


def test_a_sample_of_a_large_process_has_its_means(monkeypatch: pytest.MonkeyPatch) -> None:
    history = WatchHistory()
    known(history, block(), 3.0)
    exact = history.row_heat()
    monkeypatch.setattr("mmscand.heat.row_heat._MOST_WORDS", 100)
    sampled = history.row_heat()
    assert sampled.heat[0] == pytest.approx(exact.heat[0], rel=0.05)
    assert sampled.known[0] == pytest.approx(512, abs=1)
