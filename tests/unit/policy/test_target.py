"""Which node pages go to."""

from dataclasses import replace

import pytest

from mmscand.errors import UsageError
from mmscand.model import Node, Topology
from mmscand.policy.target import (
    TargetPolicy,
    demotion_target,
    may_be_demoted,
    may_be_promoted,
    require_target,
)

# Two top-tier nodes, a middle tier and a slow one; node 3 is nearer to node 1.
DISTANCES = {
    0: {0: 10, 1: 20, 2: 25, 3: 40},
    1: {0: 20, 1: 10, 2: 25, 3: 30},
    2: {0: 25, 1: 25, 2: 10, 3: 20},
    3: {0: 40, 1: 30, 2: 20, 3: 10},
}
TIERS = {0: 4, 1: 4, 2: 13, 3: 28}
NODES = tuple(
    Node(n, n < 2, ((n << 40, (n << 40) + 4096),), DISTANCES[n], tier=TIERS[n]) for n in range(4)
)
TOPOLOGY = Topology(NODES, frozenset({0, 1}), frozenset({2, 3}))
PLENTY = {0: 1000, 1: 900, 2: 800, 3: 700}


def ranked(name: str, preferred: tuple[int, ...] = (), fallback: int = -1) -> list[int]:
    policy = TargetPolicy(name, fallback)
    return policy.ranked(TOPOLOGY, 3, preferred, PLENTY.__getitem__)


def test_accessed_goes_where_the_process_is_and_falls_back_by_distance() -> None:
    assert ranked("accessed", (0, 1)) == [0, 1]
    assert ranked("accessed", (0,)) == [0, 1]
    assert ranked("accessed") == [1, 0]  # nothing known: the nearest


def test_nearest_and_most_free_do_what_they_say() -> None:
    assert ranked("nearest", (0,)) == [1, 0]
    assert ranked("most-free", (1,)) == [0, 1]


def test_one_tier_up_goes_to_the_middle_tier_only() -> None:
    assert ranked("one-tier-up") == [2]
    policy = TargetPolicy("one-tier-up")
    assert policy.ranked(TOPOLOGY, 2, (), PLENTY.__getitem__) == [0, 1]


def test_one_tier_up_without_tiers_is_the_fast_nodes() -> None:
    flat = Topology(tuple(replace(node, tier=None) for node in NODES), TOPOLOGY.fast, TOPOLOGY.slow)
    policy = TargetPolicy("one-tier-up")
    assert policy.ranked(flat, 3, (), PLENTY.__getitem__) == [0, 1]


def test_the_fallback_is_the_last_resort() -> None:
    assert ranked("nearest", fallback=2) == [1, 0, 2]
    assert ranked("nearest", fallback=0) == [1, 0]
    assert ranked("nearest", fallback=3) == [1, 0]  # where the pages are already


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({0: 100, 1: 100}, 0),
        ({0: 99, 1: 100}, 1),  # the preferred one is full: the next is really used
        ({0: 99, 1: 99}, None),
        ({}, None),
    ],
)
def test_a_node_without_room_is_passed_over(free: dict[int, int], expected: int | None) -> None:
    policy = TargetPolicy("accessed")
    assert policy.choose(TOPOLOGY, 3, (0, 1), 100, lambda node: free.get(node, 0)) == expected


def test_a_policy_of_the_owner_takes_nodes_away_and_adds_none() -> None:
    policy, free = TargetPolicy("accessed"), PLENTY.__getitem__
    assert policy.ranked(TOPOLOGY, 3, (0, 1), free, frozenset({1, 2, 3})) == [1]
    assert policy.choose(TOPOLOGY, 3, (0, 1), 100, free, frozenset({1, 3})) == 1
    assert policy.choose(TOPOLOGY, 3, (0, 1), 100, free, frozenset({3})) is None


def test_what_may_be_promoted_is_what_some_target_policy_has_a_node_for() -> None:
    assert may_be_promoted(TOPOLOGY, 3, frozenset({0}))
    assert may_be_promoted(TOPOLOGY, 3, frozenset({2, 3}))  # one tier up
    assert not may_be_promoted(TOPOLOGY, 2, frozenset({2, 3}))
    assert not may_be_promoted(TOPOLOGY, 3, frozenset())


def test_the_fallback_comes_first_where_no_use_is_known_and_not_where_one_is() -> None:
    assert ranked("accessed", fallback=0) == [0, 1]
    assert ranked("accessed", (1,), fallback=0) == [1, 0]


def test_a_target_must_be_a_fast_node() -> None:
    for fine in (-1, 0, 1):
        require_target(TOPOLOGY, fine)
    for wrong in (2, 3, 99):
        with pytest.raises(UsageError, match=f"target_node {wrong} is no fast node") as refused:
            require_target(TOPOLOGY, wrong)
        assert "0, 1" in refused.value.hint


def test_what_is_demoted_goes_to_the_nearest_slow_node_with_room_that_its_owner_allows() -> None:
    assert demotion_target(TOPOLOGY, 1, 500, PLENTY.__getitem__) == 2
    assert demotion_target(TOPOLOGY, 1, 500, {2: 499, 3: 500}.__getitem__) == 3
    assert demotion_target(TOPOLOGY, 1, 500, PLENTY.__getitem__, frozenset({1, 3})) == 3
    assert demotion_target(TOPOLOGY, 1, 5000, PLENTY.__getitem__) is None
    assert demotion_target(TOPOLOGY, 1, 5, PLENTY.__getitem__, frozenset({0, 1})) is None


def test_what_its_owner_binds_to_the_fast_tier_may_not_are_demoted() -> None:
    assert may_be_demoted(TOPOLOGY, 0, frozenset({0, 3}))
    assert not may_be_demoted(TOPOLOGY, 0, frozenset({0, 1}))
