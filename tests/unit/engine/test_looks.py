"""Observations of huge pages, which have one Accessed bit each, and of rows that rest."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest

from mmscand.engine.change_watch import ChangeWatch
from mmscand.engine.looks import Looks
from mmscand.engine.observation import Place
from mmscand.engine.rate_table import RateTable
from mmscand.engine.unrest import Unrest
from mmscand.heat.watch_history import Rest, WatchHistory
from mmscand.heat.word import STATES, packed, rounded
from mmscand.model import (
    PAGES_PER_TABLE,
    REGION_BYTES,
    BoolArray,
    FloatArray,
    PageBlock,
    PageNumbers,
)
from mmscand.observe.events import Event, PassEnd
from mmscand.settings import Settings, changed
from mmscand.sim.machine import SimMachine
from mmscand.sim.memory import Watermarks
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimVma
from mmscand.sim.stepped import SteppedClock, SteppedDaemon

SLOTS, HOT, FIT = 2048, 400, 512
SETTINGS = {"room_pages": 1, "headroom_percent": 0.0, "benefit_window_s": 0}


@dataclass
class Accesses:
    """Of a mapping's slots, at random times: each has its rate."""

    clock: SteppedClock
    vma: SimVma
    rates: FloatArray
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    _until: float = 0.0

    def __post_init__(self) -> None:
        self._expected: FloatArray = np.zeros(len(self.rates))
        self._first: FloatArray = np.zeros(len(self.rates))
        """`_expected` at the first access since the bit was cleared."""
        self._bits = self.vma.accessed.reshape(-1).copy()

    def catch_up(self) -> None:
        """Set the bits of what was accessed up to now, after those that were just cleared."""
        self._expected += self.rates * (self.clock.now() - self._until)
        self._until = self.clock.now()
        bits = self.vma.accessed.reshape(-1)
        cleared = np.flatnonzero(self._bits & ~bits)
        self._first[cleared] = self._expected[cleared] + self.rng.exponential(size=len(cleared))
        bits |= self._first <= self._expected
        self._bits = bits.copy()

    def swap(self, share: float) -> PageNumbers:
        """This share of the hot slots is cold from now on, and as many others are hot: those."""
        self.catch_up()
        hot = self.rates == self.rates.max()
        numbers = round(share * np.count_nonzero(hot))
        old = self.rng.choice(np.flatnonzero(hot), numbers, replace=False)
        new = self.rng.choice(np.flatnonzero(~hot), numbers, replace=False)
        self.rates[old], self.rates[new] = self.rates[new], self.rates[old]
        self._first[new] = self._expected[new] + self.rng.exponential(size=numbers)
        return new


class Memory:
    """Slots, huge pages or pages of 4 KiB. Every fifth is accessed 50 times a second, 400 in all,
    and the others at another rate; 512 slots fit the fast tier.
    """

    def __init__(self, slots: int = SLOTS, cold_rate: float = 0.1, *, huge: bool = True) -> None:
        each = PAGES_PER_TABLE if huge else 1
        clock, spare = SteppedClock(), 3 * PAGES_PER_TABLE
        sizes = {0: FIT * each + spare, 1: (slots + FIT) * each}
        marks = Watermarks(spare, spare, spare)
        self.machine = SimMachine(
            sim_topology((0,), (1,), sizes), watermarks={0: marks}, clock=clock
        )
        self.process = self.machine.spawn(100)
        self.vma = self.machine.map(self.process, REGION_BYTES, slots * each, 1, huge=huge)
        rates = np.where(np.arange(slots) % 5 == 0, 50.0, cold_rate)
        rates[5 * HOT :] = cold_rate
        self.accesses = Accesses(clock, self.vma, rates)
        self.machine.program = self.accesses.catch_up
        wanted = changed(Settings(), {**SETTINGS, "split_huge_pages": False}).settings
        self.passes: list[PassEnd] = []
        self.clock, self.daemon = clock, SteppedDaemon(self.machine, clock, wanted, self._note)

    def _note(self, event: Event) -> None:
        if isinstance(event, PassEnd):
            self.passes.append(event)

    def run(self, until: float) -> None:
        """The daemon does what is due up to this time."""
        while self.clock.time < until:
            self.accesses.catch_up()
            self.process.run()
            due = min(self.daemon.scan(), self.daemon.migrate())
            self.clock.time = max(due, self.clock.time + 1e-4)

    @property
    def fast(self) -> BoolArray:
        """(slots,)"""
        result: BoolArray = ~self.vma.slow.reshape(-1)
        return result


def test_huge_pages_that_are_silent_by_chance_are_no_change() -> None:
    world = Memory()
    world.run(30)
    before = world.fast
    world.run(90)
    assert before[world.accesses.rates > 1].all()
    assert not (before & ~world.fast).any()


def test_a_quarter_of_the_hot_huge_pages_that_is_another_one_is_followed() -> None:
    world = Memory()
    world.run(30)
    new = world.accesses.swap(0.25)
    world.run(40)
    assert world.fast[new].mean() >= 0.9


def test_rows_in_which_nothing_happens_rest_on_until_one_of_their_pages_is_accessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """64 rows, of which 4 have pages that are accessed; after two minutes others are only read."""
    counts, in_a_row, longest = Counter[str](), Counter[int](), list[int]()

    def counted(
        looks: Looks, block: PageBlock, now: float, since: float, up: BoolArray
    ) -> BoolArray:
        quiet = at_rest(looks, block, now, since, up)
        counts["rest on"] += int(np.count_nonzero(quiet))
        in_a_row.update(block.addresses[quiet].tolist())
        for address in block.addresses[~quiet].tolist():
            longest.append(in_a_row.pop(address, 0))
        return quiet

    at_rest = Looks.at_rest
    monkeypatch.setattr(Looks, "at_rest", counted)
    world = Memory(32768, 0.0, huge=False)
    world.run(300)
    assert counts["rest on"] >= 2 * 60
    world.run(1200)
    assert max(longest) in (7, 8)  # then what is known of their pages is brought up to date
    for each in world.passes:  # what rests on is counted too
        assert each.slow + each.fast == each.examined
    new = world.accesses.swap(0.1)
    world.run(1320)
    assert world.fast[new].all()


def test_silence_of_rows_that_rest_on_counts_where_changes_are_looked_for() -> None:
    """70 of 582 pages are early: 12 %, and not all."""
    pages = np.ones((1, PAGES_PER_TABLE), dtype=np.bool_)
    frames = np.arange(PAGES_PER_TABLE, dtype=np.uint64)[None, :] << np.uint64(12)
    address = np.array([REGION_BYTES], dtype=np.uint64)
    block = PageBlock(address, 1, frames, pages, np.zeros_like(pages), pages)
    history, table, watch, none = WatchHistory(), RateTable(), ChangeWatch(), np.zeros(STATES) > 0
    state = rounded(packed(np.full(PAGES_PER_TABLE, 8.0), np.full(PAGES_PER_TABLE, 800.0)), throw=1)
    rest = Rest(np.array([4]), np.array([100.0]), np.array([np.inf]))
    history.put(block, state[None, :], 5.0, cleared=True, rest=rest)
    table.learn(np.bincount(state, minlength=STATES))
    looks = Looks(history, table, Unrest(), watch)
    looks.begin_pass(105.0, 1.0)
    assert looks.at_rest(block, 105.0, 0.0, none).all()
    early, ones = np.full(70, 0.001), np.ones(70)
    watch.add(Place(early, early), ones, ones, fast=False)
    assert watch.changed(1000, 8000).slow == pytest.approx(70 / 582 - 0.03, abs=0.01)
