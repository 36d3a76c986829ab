"""Physical memory that nodes have in turns, as the kernel would show it in zones and blocks."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.linux.frame_owners import owners

BLOCK = 4
"""Of the smallest pieces in which memory changes its owner here."""


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([None, 0, 1, 2]), st.integers(1, 3 * BLOCK)),
        min_size=1,
        max_size=9,
    )
)
def test_memory_is_of_the_node_that_blocks_and_zones_say(
    runs: list[tuple[int | None, int]],
) -> None:
    truth = [node for node, length in runs for _ in range(length)]
    mine = {n: [at for at, node in enumerate(truth) if node == n] for n in {*truth} - {None}}
    zones = {n: ((min(at), max(at) + 1),) for n, at in mine.items()}
    linked = {n: {at // BLOCK for at in places} for n, places in mine.items()}
    blocks = {n: [(b * BLOCK, (b + 1) * BLOCK) for b in numbers] for n, numbers in linked.items()}
    found = owners(blocks, zones)
    taken = sorted(r for ranges in found.values() for r in ranges)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(taken))
    for at, node in enumerate(truth):
        who = [n for n, ranges in found.items() for start, end in ranges if start <= at < end]
        near = {n for n in linked if at // BLOCK in linked[n]}
        reached = {n for n in near if zones[n][0][0] <= at < zones[n][0][1]}
        if node is not None and (len(near) == 1 or len(reached) == 1):
            assert who == [node]
        assert set(who) <= near
