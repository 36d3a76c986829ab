"""After a calm, exposures apart clear what was not accessed in the turn of its row only."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from mmscand.heat.bins import ACCESSED, BIN_OF, OBSERVATIONS
from mmscand.heat.history import History
from mmscand.heat.state import REGISTER, observed
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    REGION_BYTES,
    BoolArray,
    PageBlock,
    StateArray,
)

ROWS = 8
SHAPE = (ROWS, 512)
CALM = 32
"""Passes without a change, before anything is spared."""


@dataclass
class Memory:
    """Slow-tier pages, accessed by chance, with the bits that a kernel would have."""

    history: History = field(default_factory=lambda: History(both_tiers=True))
    exposure_chance: float = 0.3
    rest_chance: float = 0.3
    """Of a page to be accessed in the rest of a period."""
    used: BoolArray = field(default_factory=lambda: np.ones(SHAPE, dtype=np.bool_))
    """Pages that are accessed at all."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __post_init__(self) -> None:
        self.bits = np.ones(SHAPE, dtype=np.bool_)
        self.truth = np.zeros(SHAPE, dtype=np.bool_)
        """Accessed since the exposure began that the next look is of."""
        self.aged_pages = 0
        """In the last pass."""
        self.turn = np.zeros(ROWS, dtype=np.bool_)
        """Rows whose turn it was for the last pass."""

    @property
    def block(self) -> PageBlock:
        numbers = np.arange(ROWS, dtype=np.uint64)
        frames = np.arange(ROWS * 512, dtype=np.uint64).reshape(SHAPE) * np.uint64(PAGE_BYTES)
        there = np.ones(SHAPE, dtype=np.bool_)
        start = np.uint64(REGION_BYTES) + numbers * np.uint64(HUGE_PAGE_BYTES)
        return PageBlock(start, 1, frames, there, self.bits.copy(), there)

    def run(self, chance: float) -> None:
        used = self.used & (self.rng.random(SHAPE) < chance)
        self.bits |= used
        self.truth |= used

    def one_pass(self, *, apart: bool, ages: bool) -> tuple[StateArray, StateArray, BoolArray]:
        """States before and after it, and which pages were accessed in the exposure it read."""
        self.aged_pages = 0
        if apart:
            self.clear(self.history.to_clear(self.block))
            self.history.cleared()
        self.run(self.exposure_chance)
        before, truth = self.history.look_up(self.block).copy(), self.truth.copy()
        self.turn = self.history.watched(self.block)
        after = self.history.fold(self.block)
        if ages:
            self.clear(self.history.to_age(self.block, after))
        self.truth[:] = False
        self.run(self.rest_chance)
        self.history.end_pass()
        return before, after, truth

    def clear(self, mask: BoolArray) -> None:
        self.bits &= ~mask
        self.truth[:] = False
        self.aged_pages += int(np.count_nonzero(mask))


def calm_memory(*, may_spare: bool = True, chance: float = 0.3) -> Memory:
    """After so many passes without a change that pages are spared."""
    memory = Memory(History(both_tiers=True, may_spare=may_spare), exposure_chance=chance)
    for _ in range(CALM + 10):
        memory.one_pass(apart=True, ages=False)
    return memory


@pytest.mark.parametrize("seed", range(20))
def test_an_observation_is_of_one_exposure_whatever_is_spared_and_whoever_clears(seed: int) -> None:
    rng = np.random.default_rng(seed)
    memory = Memory(rng=rng)
    ages = False
    unobserved = 0
    for number in range(3 * CALM):
        apart = not ages or bool(rng.random() < 0.5)
        ages = bool(rng.random() < 0.5)
        before, after, truth = memory.one_pass(apart=apart, ages=ages)
        same = after & REGISTER == before & REGISTER
        right = after & REGISTER == observed(before, truth) & REGISTER
        assert (same | right)[before != 0].all()
        unobserved += int(np.count_nonzero(same & ~right))
        if number == 2 * CALM:
            memory.history.forget(but_the_last=bool(rng.random() < 0.5))
            ages = False
    assert unobserved > 0


def test_a_page_is_observed_in_its_turn_and_then_until_it_is_found_clear() -> None:
    memory = calm_memory()
    told = np.zeros(SHAPE, dtype=np.bool_)
    for _ in range(4):
        before, after, truth = memory.one_pass(apart=True, ages=False)
        assert (after & 1 == truth)[before & 1 != 0].all()
        told |= after & REGISTER != before & REGISTER
    assert told.any(axis=1).all()  # in four passes each row has its turn


def test_fewer_are_cleared_where_most_were_used_since_the_last_look() -> None:
    aged = dict.fromkeys((True, False), 0)
    for may_spare in aged:
        memory = calm_memory(may_spare=may_spare, chance=0.1)
        memory.rest_chance = 0.9
        for _ in range(8):
            memory.one_pass(apart=True, ages=False)
            aged[may_spare] += memory.aged_pages
    assert aged[True] < 0.5 * aged[False]


@pytest.mark.parametrize("warm", [1, 10, 512])
def test_estimates_are_not_off_for_it(warm: int) -> None:
    """As would be if only the coldest were spared, or if a bit that is clear said more than one
    that is set: pages would be thought colder than they are. `warm` ones are used in each row.
    """
    memory = Memory(exposure_chance=0.1, rest_chance=0.1)
    memory.used[:, warm:] = False
    shares = []
    for _ in range(1600):
        _, after, _ = memory.one_pass(apart=True, ages=False)
        bins = BIN_OF[after[:, :warm]]
        shares.append(float(np.mean(ACCESSED[bins] / np.maximum(OBSERVATIONS[bins], 1))))
    assert 0.075 < np.mean(shares[400:]) < 0.115


def test_after_a_change_what_was_spared_is_not_taken_for_observed() -> None:
    memory = calm_memory()
    before, _, _ = memory.one_pass(apart=True, ages=False)
    told = (before & 1 != 0) | memory.turn[:, None]
    memory.history.forget(but_the_last=True)
    known = memory.history.look_up(memory.block) & REGISTER > 1
    assert known.any()
    assert not known[~told].any()
    memory.one_pass(apart=True, ages=False)
    assert memory.aged_pages > 0.4 * ROWS * 512


def test_a_pass_that_clears_for_the_next_one_spares_nothing() -> None:
    memory = calm_memory()
    memory.one_pass(apart=True, ages=True)
    for _ in range(2):
        before, after, truth = memory.one_pass(apart=False, ages=True)
        assert (after & REGISTER == observed(before, truth) & REGISTER)[before & 1 != 0].all()
    assert (after & REGISTER == observed(before, truth) & REGISTER).all()


def test_bits_that_were_left_are_no_accesses_where_the_next_pass_does_not_clear_first() -> None:
    """As a part of a large process, if only a later part was cleared in the same pass."""
    memory = calm_memory()
    memory.one_pass(apart=True, ages=False)
    before, after, _ = memory.one_pass(apart=False, ages=True)
    left = (before & 1 == 0) & ~memory.turn[:, None]
    assert left.any()
    assert (after & REGISTER == before & REGISTER)[left].all()


def test_when_more_is_used_all_is_looked_at_again_and_nothing_forgotten() -> None:
    memory = calm_memory()
    states = memory.history.look_up(memory.block).copy()
    memory.history.end_calm()
    assert (memory.history.look_up(memory.block) == states).all()
    before, after, truth = memory.one_pass(apart=True, ages=False)
    assert (after & REGISTER == observed(before, truth) & REGISTER).all()
