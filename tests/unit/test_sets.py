import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.sets import among, distinct

numbers = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9))


@given(numbers)
def test_distinct_is_each_value_once_ascending(values: list[int]) -> None:
    assert distinct(np.array(values, dtype=np.uint64)).tolist() == sorted(set(values))


@given(numbers, numbers)
def test_among_is_membership(values: list[int], members: list[int]) -> None:
    found = among(np.array(values, dtype=np.uint64), np.array(members, dtype=np.uint64))
    assert found.tolist() == [value in members for value in values]


@pytest.mark.parametrize("dtype", [np.uint64, np.int16, np.float64])
def test_types_stay(dtype: type[np.generic]) -> None:
    assert distinct(np.zeros(3, dtype=dtype)).dtype == dtype
