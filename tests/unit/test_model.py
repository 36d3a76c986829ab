"""The nouns' own arithmetic: spans of slow frames, mappings that hold a range."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmscand.model import NO_FRAME, Node, PageBlock, Topology, VmaTable

GIB = 1 << 30
UNIT = np.uint64(1 << 21)


def topology(*owners: tuple[int, int, int]) -> Topology:
    """(node, start, end) in GiB; node 0 is the fast one."""
    nodes = sorted({node for node, _, _ in owners})
    ranges = {n: tuple((s * GIB, e * GIB) for m, s, e in owners if m == n) for n in nodes}
    made = tuple(Node(n, n == 0, ranges[n], {}) for n in nodes)
    return Topology(made, frozenset({0}) & set(nodes), frozenset(set(nodes) - {0}))


def test_a_slow_node_above_all_others_is_one_open_span() -> None:
    assert topology((0, 0, 3), (0, 4, 8), (1, 8, 16)).slow_spans() == ((8 * GIB, NO_FRAME),)


def test_a_hole_inside_slow_memory_makes_no_second_span() -> None:
    assert topology((1, 0, 3), (1, 4, 8), (0, 9, 16)).slow_spans() == ((0, 9 * GIB),)


def test_a_machine_that_is_all_slow_is_one_span() -> None:
    assert topology((1, 0, 3), (2, 4, 8)).slow_spans() == ((0, NO_FRAME),)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=8
    )
)
def test_spans_hold_every_slow_frame_and_no_other(pieces: list[tuple[int, int, int]]) -> None:
    owners, at = [], 0
    for node, length, hole in pieces:
        owners.append((node, at + hole, at + hole + length))
        at += hole + length
    spans = topology(*owners).slow_spans()
    for node, start, end in owners:
        for gib in range(start, end):
            inside = any(first <= gib * GIB < last for first, last in spans)
            assert inside == (node != 0)


def test_one_mapping_covers_a_range_or_none_does() -> None:
    starts, ends = np.array([[10, 20], [20, 30]], dtype=np.uint64)
    vmas = VmaTable(starts, ends, np.zeros(2, dtype=np.uint16))
    assert vmas.covers(10, 20)
    assert vmas.covers(22, 25)
    assert not vmas.covers(15, 25)  # two mappings, side by side
    assert not vmas.covers(5, 15)
    assert not vmas.covers(30, 31)


def test_frames_are_worked_out_when_asked_for_and_once() -> None:
    asked = []

    def frames() -> np.ndarray:
        asked.append(1)
        return np.full((1, 1), 4096, dtype=np.uint64)

    yes = np.ones((1, 1), dtype=np.bool_)
    block = PageBlock(np.zeros(1, dtype=np.uint64), 512, frames, yes, yes, yes)
    assert not asked
    assert block.frames[0, 0] == block.frames[0, 0] == 4096
    assert len(asked) == 1


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6),
    st.sets(st.integers(0, 60), max_size=20),
)
def test_what_is_cut_out_of_mappings_is_gone_and_nothing_else(
    gaps_and_lengths: list[tuple[int, int]], cut: set[int]
) -> None:
    at, mappings = 0, []
    for gap, length in gaps_and_lengths:
        mappings.append((at + gap, at + gap + length))
        at += gap + length
    starts, ends = (
        np.array(each, dtype=np.uint64) for each in zip(*mappings or [(0, 0)], strict=True)
    )
    flags = np.arange(len(starts), dtype=np.uint16)
    table = VmaTable(starts * UNIT, ends * UNIT, flags)
    left = table.without(np.array(sorted(cut or {9999}), dtype=np.uint64) * UNIT, int(UNIT))

    def pages(vmas: VmaTable) -> set[tuple[int, int]]:
        rows = zip(vmas.starts.tolist(), vmas.ends.tolist(), vmas.flags.tolist(), strict=True)
        return {(p, f) for s, e, f in rows for p in range(s // int(UNIT), e // int(UNIT))}

    assert pages(left) == {(page, flag) for page, flag in pages(table) if page not in cut}
    assert (left.starts < left.ends).all()
    assert (left.starts[1:] >= left.ends[:-1]).all()
