import numpy as np
import pytest

from mmscand.model import PAGE_BYTES, PAGES_PER_TABLE, BoolArray, Node, PageBlock, Topology
from mmscand.scan.node_use import NodeUse

RANGES = {0: (1 << 40, 2 << 40), 1: (2 << 40, 3 << 40), 2: (3 << 40, 4 << 40)}
TOPOLOGY = Topology(
    tuple(Node(n, n < 2, (RANGES[n],), {0: 10, 1: 20, 2: 40}) for n in range(3)),
    frozenset({0, 1}),
    frozenset({2}),
)


class Area:
    """Rows of one process on a node; what is hot has its bit again after each pass."""

    def __init__(self, node: int, rows: int, hot: float) -> None:
        self.node = node
        self.rows = rows
        self.hot = np.zeros((rows, PAGES_PER_TABLE), dtype=np.bool_)
        self.hot[:, : int(PAGES_PER_TABLE * hot)] = True
        self.accessed = np.ones_like(self.hot)  # as every page that was ever touched
        self.aged = np.zeros_like(self.hot)

    @property
    def block(self) -> PageBlock:
        offsets = np.arange(self.hot.size, dtype=np.uint64).reshape(self.hot.shape)
        return PageBlock(
            (np.arange(self.rows, dtype=np.uint64) << np.uint64(21)) + np.uint64(self.node << 40),
            1,
            np.uint64(RANGES[self.node][0]) + offsets * np.uint64(PAGE_BYTES),
            np.ones_like(self.hot),
            self.accessed,
            np.full(self.hot.shape, self.node == 2),
        )

    def age(self, mask: BoolArray) -> None:
        self.aged |= mask
        self.accessed = (self.accessed & ~mask) | self.hot


def passes(use: NodeUse, areas: list[Area], count: int = 1) -> int:
    """Look at everything so often; pages that were aged."""
    aged = 0
    for _ in range(count):
        for area in areas:
            use.see(area.block)
            mask = use.to_age(area.block)
            aged += int(np.count_nonzero(mask))
            area.age(mask)
        use.end_visit()
    return aged


def test_the_node_with_most_accessed_pages_comes_first() -> None:
    use = NodeUse(TOPOLOGY)
    assert use.preferred == ()
    areas = [Area(0, 64, hot=0.1), Area(1, 32, hot=0.5), Area(2, 200, hot=1.0)]
    passes(use, areas)
    assert use.preferred == (0, 1)  # nothing was watched yet: where most of it is
    passes(use, areas, 5)
    assert use.preferred == (1, 0)  # fewer pages there, but more of them accessed


def test_only_a_few_rows_of_a_large_process_are_aged_in_a_pass_and_never_slow_ones() -> None:
    use = NodeUse(TOPOLOGY)
    areas = [Area(0, 2000, hot=1.0), Area(2, 100, hot=1.0)]
    passes(use, areas)  # it does not know yet how large it is
    assert passes(use, areas, 10) <= 10 * 9 * PAGES_PER_TABLE
    assert not areas[1].aged.any()


def test_every_row_has_its_turn() -> None:
    use, areas = NodeUse(TOPOLOGY), [Area(0, 200, hot=0.5)]
    passes(use, areas, 60)
    assert areas[0].aged[:, 0].all()


@pytest.mark.parametrize("rows", [1, 3])
def test_a_small_process_is_judged_too(rows: int) -> None:
    use = NodeUse(TOPOLOGY)
    passes(use, [Area(0, rows, hot=0.01), Area(1, rows, hot=0.9)], 12)
    assert use.preferred == (1, 0)


def test_a_few_rows_on_a_node_are_not_missed_among_others_in_the_same_block() -> None:
    """As in a window of a real process: cold rows on node 0, used ones on node 1, one block."""
    use, cold, used = NodeUse(TOPOLOGY), Area(0, 18, hot=0.0), Area(1, 8, hot=1.0)
    for _ in range(15):
        a, b = cold.block, used.block
        together = PageBlock(
            np.arange(26, dtype=np.uint64) << np.uint64(21),
            1,
            *(
                np.concatenate((getattr(a, name), getattr(b, name)))
                for name in ("frames", "present", "accessed", "slow")
            ),
        )
        use.see(together)
        mask = use.to_age(together)
        cold.age(mask[:18])
        used.age(mask[18:])
        use.end_visit()
    assert use.preferred == (1, 0)


def test_what_was_long_ago_fades() -> None:
    use = NodeUse(TOPOLOGY)
    passes(use, [Area(0, 64, hot=1.0)], 4)
    passes(use, [Area(1, 16, hot=1.0)], 8)
    assert use.preferred == (1, 0)


def test_a_pass_in_several_visits_watches_what_it_aged_in_the_next_pass() -> None:
    use, areas = NodeUse(TOPOLOGY), [Area(0, 40, hot=0.0), Area(1, 20, hot=1.0)]
    for _ in range(6):
        for area in areas:
            use.see(area.block)
            area.age(use.to_age(area.block))
            use.end_visit(complete=area is areas[-1])
    assert use.preferred == (1, 0)


def test_with_one_fast_node_nothing_is_counted() -> None:
    one = Topology(TOPOLOGY.nodes, frozenset({0}), frozenset({2}))
    use = NodeUse(one)
    assert not use.chooses
    use.see(Area(0, 64, hot=1.0).block)
    use.end_visit()
    assert use.preferred == ()
