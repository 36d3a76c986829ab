"""Pages by kind of word, as views ask for them."""

import numpy as np

from mmscand.heat.kind_counts import KindCounts
from mmscand.heat.word import FAST, KINDS, SEEN


def test_states_that_there_are_and_their_pages_on_each_tier() -> None:
    kinds = np.zeros(KINDS, dtype=np.intp)
    kinds[[7, 7 | int(SEEN), 7 | int(FAST), 900 | int(SEEN)]] = 1, 2, 4, 8
    counts = KindCounts(kinds)
    assert counts.there.tolist() == [7, 7 | int(SEEN), 900 | int(SEEN), 7 | int(FAST)]
    assert counts.states.tolist() == [7, 900]
    assert counts.pages.tolist() == [[3, 8], [4, 0]]


def test_nothing_is_known_at_first() -> None:
    counts = KindCounts.none()
    assert (len(counts.there), len(counts.states), counts.pages.shape) == (0, 0, (2, 0))
