"""Which mappings are looked at."""

import numpy as np
import pytest

from mmscand.model import VmaFlag, VmaTable
from mmscand.policy.eligible import eligible

R, W, X = VmaFlag.READ, VmaFlag.WRITE, VmaFlag.EXEC
FILE, SHARED = VmaFlag.FILE, VmaFlag.SHARED
HUGETLB, SPECIAL = VmaFlag.HUGETLB, VmaFlag.SPECIAL


def verdict(*flags: VmaFlag) -> list[bool]:
    numbers = np.arange(len(flags), dtype=np.uint64)
    starts = numbers * np.uint64(8192)
    table = VmaTable(starts, starts + np.uint64(4096), np.array(flags, dtype=np.uint16))
    result = eligible(table)
    assert result.dtype == np.bool_
    return result.tolist()


@pytest.mark.parametrize("flags", [R | W, R, W, X, R | X, R | W | X, R | W | FILE, W | FILE])
def test_private_memory_that_can_be_touched_is_looked_at(flags: VmaFlag) -> None:
    assert verdict(flags) == [True]


@pytest.mark.parametrize("flags", [R | FILE, R | X | FILE, X | FILE])
def test_files_that_nobody_writes_are_not(flags: VmaFlag) -> None:
    assert verdict(flags) == [False]


@pytest.mark.parametrize("flags", [VmaFlag(0), FILE])
def test_reservations_that_nobody_may_touch_are_not(flags: VmaFlag) -> None:
    assert verdict(flags) == [False]


@pytest.mark.parametrize("never", [SHARED, HUGETLB, SPECIAL])
@pytest.mark.parametrize("also", [R | W, R | W | FILE, R])
def test_what_cannot_be_aged_or_means_nothing_is_not(never: VmaFlag, also: VmaFlag) -> None:
    assert verdict(also | never) == [False]


def test_each_mapping_is_judged_by_itself() -> None:
    assert verdict(R | W, R | X | FILE, R | W | SHARED, R | W | FILE) == [True, False, False, True]
    assert verdict() == []
