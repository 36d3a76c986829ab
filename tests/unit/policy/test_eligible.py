"""Which mappings are looked at, and what is reported of the others."""

import numpy as np
import pytest

from mmscand.model import VmaFlag, VmaTable
from mmscand.policy.eligible import RULES, eligible, rules_of

R, W, X = VmaFlag.READ, VmaFlag.WRITE, VmaFlag.EXEC
FILE, SHARED = VmaFlag.FILE, VmaFlag.SHARED
HUGETLB, SPECIAL, REFUSED = VmaFlag.HUGETLB, VmaFlag.SPECIAL, VmaFlag.REFUSED


def table(*flags: VmaFlag) -> VmaTable:
    """One page each."""
    starts = np.arange(len(flags), dtype=np.uint64) * np.uint64(8192)
    return VmaTable(starts, starts + np.uint64(4096), np.array(flags, dtype=np.uint16))


def rule(flags: VmaFlag, **options: bool) -> str | None:
    (number,) = rules_of(table(flags), **options).tolist()
    return RULES[number] if number < len(RULES) else None


@pytest.mark.parametrize("flags", [R | W, R, W, X, R | X, R | W | X, R | W | FILE, W | FILE])
def test_private_memory_that_can_be_touched_is_looked_at(flags: VmaFlag) -> None:
    assert rule(flags) is None


@pytest.mark.parametrize("flags", [R | FILE, R | X | FILE, X | FILE])
def test_files_that_nobody_writes_only_by_option(flags: VmaFlag) -> None:
    assert rule(flags) == "read_only_files"
    assert rule(flags, read_only_files=True) is None


@pytest.mark.parametrize("flags", [VmaFlag(0), FILE, SHARED])
def test_reservations_that_nobody_may_touch_are_not(flags: VmaFlag) -> None:
    assert rule(flags, read_only_files=True, shared_memory=True) == "inaccessible"


@pytest.mark.parametrize(
    ("never", "name"), [(HUGETLB, "hugetlb"), (SPECIAL, "special"), (REFUSED, "refused")]
)
@pytest.mark.parametrize("also", [R | W, R | W | FILE, R | W | SHARED, R])
def test_what_cannot_be_aged_never_is(never: VmaFlag, name: str, also: VmaFlag) -> None:
    assert rule(also | never, read_only_files=True, shared_memory=True) == name


@pytest.mark.parametrize("flags", [R | W | SHARED, R | SHARED, R | W | FILE | SHARED])
def test_shared_mappings_only_by_option(flags: VmaFlag) -> None:
    assert rule(flags) == "shared_memory"
    assert rule(flags, shared_memory=True) is None


def test_one_option_does_not_bring_in_what_the_other_leaves_out() -> None:
    both = R | FILE | SHARED
    assert rule(both, read_only_files=True) == "shared_memory"
    assert rule(both, shared_memory=True) == "read_only_files"


def test_each_mapping_is_judged_by_itself_and_counted_by_rule() -> None:
    vmas = table(R | W, R | X | FILE, R | W | SHARED, R | W | FILE, SPECIAL, R | X | FILE)
    vmas = VmaTable(vmas.starts, vmas.starts + np.uint64(8192), vmas.flags)  # two pages each
    kept, skipped = eligible(vmas)
    assert kept.starts.tolist() == [0, 3 * 8192]
    assert skipped.mappings == {"read_only_files": 2, "shared_memory": 1, "special": 1}
    assert skipped.pages == {"read_only_files": 4, "shared_memory": 2, "special": 2}


def test_no_mappings_are_no_counts() -> None:
    kept, skipped = eligible(table())
    assert (len(kept), skipped.mappings, skipped.pages) == (0, {}, {})
