"""The sizing curve."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.sizing import Curve

GUPS = [(9.0, 100.0), (1 / 9, 900.0)]
"""A tenth of the pages has nine tenths of the accesses."""
KINDS = st.lists(
    st.tuples(st.floats(0, 1e5), st.integers(0, 1 << 30).map(float)), min_size=1, max_size=40
)


def test_hot_pages_come_first() -> None:
    curve = Curve.of(reversed(GUPS))
    assert curve.total == 1000
    assert [curve.share(pages) for pages in (0, 50, 100, 550, 1000, 2000)] == pytest.approx(
        [0, 0.45, 0.9, 0.95, 1, 1]
    )
    assert curve.knee == 100
    assert curve.size_for(0.45) == pytest.approx(50)
    assert curve.size_for(1.0) == pytest.approx(1000)


def test_nothing_known_is_an_empty_curve() -> None:
    for kinds in ([], [(1.0, 0.0)]):
        curve = Curve.of(kinds)
        assert (curve.total, curve.knee, curve.share(5)) == (0, 0, 0)


def test_pages_that_are_never_accessed_bring_nothing() -> None:
    curve = Curve.of([(1.0, 10.0), (0.0, 90.0)])
    assert curve.share(10) == curve.share(100) == 1


@given(KINDS)
def test_a_curve_rises_ever_more_slowly_from_0_to_1(kinds: list[tuple[float, float]]) -> None:
    curve = Curve.of(kinds)
    shares = [curve.share(size) for size in curve.sizes()]
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares)
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(shares))
    if curve.shares[-1] > 0:
        assert curve.share(curve.total) == pytest.approx(1)
        # Concave: never below the line to the end.
        assert all(
            share >= size / curve.total - 1e-6
            for size, share in zip(curve.sizes(), shares, strict=True)
        )
