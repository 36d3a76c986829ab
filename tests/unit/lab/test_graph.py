"""The graph fills the region, follows its seed, and few vertices have most of the edges."""

import numpy as np
import pytest

from mmscand_lab.graph import DEGREE, Graph
from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.truth import WordArray


def made(seed: int) -> tuple[WordArray, Graph]:
    words = np.zeros(2048 * WORDS_PER_PAGE, dtype=np.uint64)
    return words, Graph(words, seed)


def test_edges_fill_the_region_and_lead_to_vertices() -> None:
    words, graph = made(1)
    count, neighbours = graph.begins["queue"], words[graph.begins["neighbours"] :]
    assert graph.offsets[0] == 0
    assert graph.offsets[-1] == neighbours.size == pytest.approx(DEGREE * count, rel=0.02)
    assert (np.diff(graph.offsets.astype(np.int64)) >= 1).all()
    assert neighbours.max() < count


def test_both_ends_of_edges_follow_the_power_law() -> None:
    words, graph = made(1)
    count, neighbours = graph.begins["queue"], words[graph.begins["neighbours"] :]
    named = np.bincount(neighbours.astype(np.int64), minlength=count)
    own = np.diff(graph.offsets.astype(np.int64))
    for degrees in (named, own):
        # The share of the first part of all ranks is the third root of that part.
        ranked = np.cumsum(np.sort(degrees)[::-1]) / degrees.sum()
        assert ranked[count // 1000] == pytest.approx(0.1, abs=0.01)
        assert ranked[count // 8] == pytest.approx(0.5, abs=0.02)
        assert np.argmax(degrees) == graph.hub


def test_the_same_seed_gives_the_same_graph() -> None:
    first, again, other = (made(seed)[0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
