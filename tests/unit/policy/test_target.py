"""Where a page is promoted to."""

from mmscand.model import Node, Topology
from mmscand.policy.target import nearest_with_room

DISTANCES = {0: 21, 1: 17, 2: 17, 3: 10, 4: 17}
"""From the slow node 3."""
SOURCE = Node(3, False, (), DISTANCES)
FAST = tuple(Node(number, True, (), {}) for number in (0, 1, 2, 4))
TOPOLOGY = Topology((*FAST[:3], SOURCE, FAST[3]), frozenset({0, 1, 2, 4}), frozenset({3}))


def target(pages: int, *, free: dict[int, int]) -> int | None:
    return nearest_with_room(TOPOLOGY, 3, pages, lambda node: free.get(node, 0))


def test_the_nearest_node_wins_over_the_emptiest() -> None:
    assert target(10, free={0: 99_999, 1: 10}) == 1


def test_a_farther_node_is_taken_when_the_near_ones_are_full() -> None:
    assert target(10, free={0: 10, 1: 9, 2: 9, 4: 0}) == 0


def test_room_means_all_of_the_pages() -> None:
    assert target(10, free={1: 9}) is None
    assert target(9, free={1: 9}) == 1


def test_equal_distances_are_settled_by_free_memory_then_by_number() -> None:
    assert target(10, free={1: 20, 2: 30, 4: 25}) == 2
    assert target(10, free={1: 20, 2: 30, 4: 30}) == 2


def test_the_slow_node_itself_is_never_a_target() -> None:
    assert target(1, free={3: 1000}) is None


def test_each_node_is_asked_once() -> None:
    asked: list[int] = []

    def free_pages(node: int) -> int:
        asked.append(node)
        return 100

    nearest_with_room(TOPOLOGY, 3, 1, free_pages)
    assert sorted(asked) == [0, 1, 2, 4]
