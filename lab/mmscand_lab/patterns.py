"""Access patterns of the workload by name: what touches the pages, and which of them are hot."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mmscand.model import FloatArray
from mmscand_lab.bfs import Bfs
from mmscand_lab.chase import Chase
from mmscand_lab.lookups import BTree, GridSearch
from mmscand_lab.phases import STAIRS, ZIGZAG, Phased, make_phases
from mmscand_lab.region import PAGES_PER_HUGE, filled_region, free_mib
from mmscand_lab.slowmem.library import TouchLibrary
from mmscand_lab.touch import Drawn, InTurn, Toucher
from mmscand_lab.truth import (
    GUPS_HOT_ACCESSES,
    ZIPF_EXPONENT,
    BoolArray,
    WordArray,
    hot_pages,
    hot_rates,
    hottest,
    zipf_rates,
)


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A pattern in a region. `hot` and `rates` are as in `Truth`."""

    toucher: Toucher
    hot: BoolArray
    rates: FloatArray | None = None


class _Rated(Toucher, Protocol):
    def rates(self) -> FloatArray: ...


Options = argparse.Namespace
"""Those of `mmscand_lab.workload`."""
Make = Callable[[Options, WordArray, TouchLibrary | None], Work]
"""Makes a pattern in these words; without a library numpy accesses them."""


def _hot_pages(options: Options) -> BoolArray:
    unit = PAGES_PER_HUGE if options.huge else 1
    count = round(options.hot_mib * 256)
    return hot_pages(options.mib * 256, count, options.layout, options.seed, unit)


def _hottest(options: Options, rates: FloatArray) -> BoolArray:
    return hottest(rates, round(options.hot_mib * 256))


def _home(options: Options) -> WordArray | None:
    """The further memory, None without."""
    node, mib = options.home_node, options.home_mib
    if node is None:
        return None
    if options.home_leaves_mib is not None:
        mib = (free_mib(node) or 0) - options.home_leaves_mib
    return filled_region(max(2, mib // 2 * 2) << 20, node)


def _in_turn(options: Options, words: WordArray, library: TouchLibrary | None) -> Work:
    hot, home = _hot_pages(options), _home(options)
    return Work(InTurn(words, hot, options.write_share, options.seed, home, library), hot)


def _drawn(
    options: Options, words: WordArray, library: TouchLibrary | None, rates: FloatArray
) -> Drawn:
    return Drawn(words, rates, options.lines, options.write_share, options.seed, library)


def _gups(options: Options, words: WordArray, library: TouchLibrary | None) -> Work:
    hot = _hot_pages(options)
    rates = hot_rates(hot, GUPS_HOT_ACCESSES)
    return Work(_drawn(options, words, library, rates), hot, rates)


def _zipf(options: Options, words: WordArray, library: TouchLibrary | None) -> Work:
    rates = zipf_rates(options.mib * 256, ZIPF_EXPONENT, options.seed)
    return Work(_drawn(options, words, library, rates), _hottest(options, rates), rates)


def _phased(order: tuple[int, ...]) -> Make:
    def make(options: Options, words: WordArray, library: TouchLibrary | None) -> Work:
        seed = None if options.layout == "range" else options.seed
        phases = make_phases(options.mib * 256, order, seed)
        rates = phases.rates(0)
        drawn = _drawn(options, words, library, rates)
        toucher = Phased(drawn, phases, options.phase_rounds, options.state)
        return Work(toucher, phases.hot(0), rates)

    return make


def _chase(options: Options, words: WordArray, library: TouchLibrary | None) -> Work:
    hot = _hot_pages(options)
    chase = Chase(words, hot, options.seed, library)
    return Work(chase, hot, chase.rates())


def _rated(kind: Callable[[WordArray, int, TouchLibrary | None], _Rated]) -> Make:
    def make(options: Options, words: WordArray, library: TouchLibrary | None) -> Work:
        toucher = kind(words, options.seed, library)
        rates = toucher.rates()
        return Work(toucher, _hottest(options, rates), rates)

    return make


PATTERNS: Mapping[str, Make] = {
    "hot": _in_turn,
    "gups": _gups,
    "zipf": _zipf,
    "stairs": _phased(STAIRS),
    "zigzag": _phased(ZIGZAG),
    "chase": _chase,
    "btree": _rated(BTree),
    "grid": _rated(GridSearch),
    "bfs": _rated(Bfs),
}
