import numpy as np

from mmscand.model import PAGE_BYTES, PAGES_PER_TABLE, Node, PageBlock, Topology
from mmscand.scan.node_use import NodeUse

RANGES = {0: (1 << 40, 2 << 40), 1: (2 << 40, 3 << 40), 2: (3 << 40, 4 << 40)}
TOPOLOGY = Topology(
    tuple(Node(n, n < 2, (RANGES[n],), {0: 10, 1: 20, 2: 40}) for n in range(3)),
    frozenset({0, 1}),
    frozenset({2}),
)


def block(node: int, rows: int, accessed: float = 1.0) -> PageBlock:
    shape = (rows, PAGES_PER_TABLE)
    offsets = np.arange(rows * PAGES_PER_TABLE, dtype=np.uint64).reshape(shape)
    present = np.ones(shape, dtype=np.bool_)
    touched = np.zeros(shape, dtype=np.bool_)
    touched[:, : int(PAGES_PER_TABLE * accessed)] = True
    return PageBlock(
        np.arange(rows, dtype=np.uint64) << np.uint64(21),
        1,
        np.uint64(RANGES[node][0]) + offsets * np.uint64(PAGE_BYTES),
        present,
        touched,
        np.full(shape, node == 2),
    )


def test_the_node_with_most_accessed_pages_comes_first() -> None:
    use = NodeUse(TOPOLOGY)
    assert use.preferred == ()
    for seen in (block(0, 64, accessed=0.1), block(1, 32, accessed=0.5), block(2, 200)):
        use.see(seen)
    use.end_visit()
    assert use.preferred == (1, 0)  # fewer pages there, but more of them accessed


def test_what_was_long_ago_fades() -> None:
    use = NodeUse(TOPOLOGY)
    use.see(block(0, 64))
    use.end_visit()
    for _ in range(8):
        use.see(block(1, 16))
        use.end_visit()
    assert use.preferred == (1, 0)


def test_with_one_fast_node_nothing_is_counted() -> None:
    one = Topology(TOPOLOGY.nodes, frozenset({0}), frozenset({2}))
    use = NodeUse(one)
    use.see(block(0, 64))
    use.end_visit()
    assert use.preferred == ()
