"""Searches find all, access what they say, and make the same accesses from any source."""

import numpy as np
import pytest

from mmscand.model import FloatArray
from mmscand_lab.bfs import Bfs
from mmscand_lab.building import build_library
from mmscand_lab.graph import Graph
from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.slowmem import LIBRARY
from mmscand_lab.slowmem.library import TouchLibrary
from mmscand_lab.truth import IntArray, WordArray

PAGES, SEED = 256, 3


def region() -> WordArray:
    words = np.zeros(PAGES * WORDS_PER_PAGE, dtype=np.uint64)
    words[::WORDS_PER_PAGE] = 1  # as the fill leaves it
    return words


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> TouchLibrary:
    path = build_library(LIBRARY, tmp_path_factory.mktemp("cache"))
    assert path is not None
    return TouchLibrary(path)


def plain_search(words: WordArray, graph: Graph, source: int) -> tuple[list[int], IntArray]:
    """As in a textbook: the vertices in the order in which they are found, and every access."""
    at, found, accessed = graph.begins, [source], list[int]()
    known = {source}
    accessed += [at["parents"] + source, at["queue"]]
    for place, vertex in enumerate(found):
        accessed += [at["queue"] + place, at["offsets"] + vertex, at["offsets"] + vertex + 1]
        for edge in range(int(graph.offsets[vertex]), int(graph.offsets[vertex + 1])):
            target = int(words[at["neighbours"] + edge])
            accessed += [at["neighbours"] + edge, at["parents"] + target]
            if target not in known:
                accessed += [at["parents"] + target, at["queue"] + len(found)]
                known.add(target)
                found.append(target)
    return found, np.array(accessed)


def shares(accessed: IntArray) -> FloatArray:
    counts: FloatArray = np.bincount(accessed // WORDS_PER_PAGE, minlength=PAGES) / accessed.size
    return counts


def test_the_rates_are_those_of_a_search_from_any_source() -> None:
    words = region()
    bfs = Bfs(words, SEED)
    reported = bfs.rates()
    assert reported.sum() == pytest.approx(1)
    for source in bfs.reached[[0, 1000, -1]].tolist():
        found, accessed = plain_search(words, bfs._graph, source)
        assert sorted(found) == bfs.reached.tolist()
        assert shares(accessed) == pytest.approx(reported, rel=1e-12)


@pytest.mark.parametrize("with_library", [True, False])
def test_a_search_finds_what_a_plain_one_finds_and_reports_its_accesses(
    library: TouchLibrary, *, with_library: bool
) -> None:
    words = region()
    bfs = Bfs(words, SEED, library if with_library else None)
    for source in (bfs._graph.hub, int(bfs.reached[7])):
        found, accessed = plain_search(words, bfs._graph, source)
        bfs._graph.begin(source)
        done = 0
        while not bfs._graph.is_through():
            done += bfs._searches.search(words, bfs._graph.state, 1000)
        assert bfs._graph.found().tolist() == found
        assert done == accessed.size - 2  # the source was put into the queue before


def test_parents_are_alike_with_and_without_the_library(library: TouchLibrary) -> None:
    fast, plain = region(), region()
    Bfs(fast, SEED, library)
    Bfs(plain, SEED)
    assert (fast == plain).all()


def test_it_goes_on_with_another_source_when_a_search_is_through(library: TouchLibrary) -> None:
    bfs = Bfs(region(), SEED, library)
    bfs.change()
    rounds = [list(bfs.touch_once()) for _ in range(20)]  # 328 000 edges: two searches and a half
    assert bfs._graph.state[0]["mark"] == 4
    assert 2000 <= np.median([done for each in rounds for done in each]) <= 10_000
