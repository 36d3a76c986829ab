"""The two ways to count bits agree, whichever this numpy has."""

import numpy as np
import pytest

from mmscand.heat.bits import bit_count, ones_by_table


@pytest.mark.parametrize("kind", ["u1", "u2", "<u8"])
@pytest.mark.parametrize("shape", [(0,), (5,), (3, 7)])
def test_counts_are_those_of_python(kind: str, shape: tuple[int, ...]) -> None:
    most = np.iinfo(kind).max
    numbers = np.random.default_rng(1).integers(0, most, shape, dtype=kind, endpoint=True)
    wanted = [int(each).bit_count() for each in numbers.flat]
    for count in (bit_count, ones_by_table):
        counts = count(numbers)
        assert (counts.shape, counts.dtype) == (shape, np.uint8)
        assert counts.ravel().tolist() == wanted
