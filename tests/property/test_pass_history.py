"""PassHistory against a model that keeps one small record for each slot."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.heat.pass_history import PassHistory
from mmscand.heat.state import PASSES, STUCK
from mmscand.model import PageBlock, UIntArray
from synthetic.tables import HUGE, PAGE, REGION

Key = tuple[int, int]
"""Address of a slot, and its size in 4K pages."""

REGIONS = (3, 4, 200)
ROWS = (0, 1, 511)
COLUMNS = (0, 7, 511)


@dataclass(frozen=True)
class Page:
    """One slot as a pass sees it."""

    frame: int
    slow: bool
    accessed: bool


@dataclass
class Record:
    """What is known of one slot."""

    frame: int
    bits: list[bool] = field(default_factory=list)
    """Accessed or not, the latest first."""
    shared: bool = False

    @property
    def state(self) -> int:
        """As heat.state has it."""
        if self.shared:
            return int(STUCK)
        bits = self.bits[:PASSES]
        return 1 << len(bits) | sum(1 << at for at, bit in enumerate(bits) if bit)


class Model:
    """The past of one address space, slot by slot."""

    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.met: set[tuple[int, int]] = set()
        """Number of a region, and a slot size that it had."""

    def see(self, key: Key, page: Page | None) -> int:
        """The state that a pass leads to, 0 for what is unknown or not slow."""
        record = self.records.get(key)
        if page is None or not page.slow:
            self.records.pop(key, None)
            return 0
        if record is None or record.frame != page.frame:
            self.records[key] = Record(page.frame)
            return 0
        record.bits.insert(0, page.accessed)
        return record.state

    def end_pass(self) -> None:
        """Rows that were not seen since the last end are there no more."""
        for key in [k for k in self.records if (k[0] & -HUGE, k[1]) not in self.met]:
            del self.records[key]
        self.met = set()

    @property
    def pages(self) -> int:
        return sum(size for _, size in self.records)


FRAMES = st.sampled_from([0, 1, 2, 77, 255]).map(lambda tag: (tag + (5 << 20)) * PAGE)
PAGES = st.builds(Page, FRAMES, st.sampled_from([True, True, True, False]), st.booleans())
SMALL_ROWS = st.dictionaries(st.sampled_from(COLUMNS), PAGES)
ROW_SEEN = st.one_of(st.none(), SMALL_ROWS, PAGES)
WINDOW = st.dictionaries(st.sampled_from(ROWS), ROW_SEEN)
PASS = st.dictionaries(st.sampled_from(REGIONS), WINDOW)
Rows = dict[int, dict[int, Page]]
SeenWindow = dict[int, dict[int, Page] | Page | None]
Seen = dict[int, SeenWindow]


def block_of(region: int, rows: Rows, size: int) -> PageBlock:
    """The rows as a walk yields them; absent slots hold garbage for a frame."""
    width = 512 // size
    shape = (len(rows), width)
    frames = np.full(shape, 0xABC000, dtype=np.uint64)
    present, accessed, slow = np.zeros((3, *shape), dtype=np.bool_)
    for at, columns in enumerate(rows.values()):
        for column, page in columns.items():
            frames[at, column] = page.frame
            present[at, column] = True
            slow[at, column], accessed[at, column] = page.slow, page.accessed
    addresses = np.array([region * REGION + row * HUGE for row in rows], dtype=np.uint64)
    return PageBlock(addresses, size, frames, present, accessed, slow)


def rows_of(window: SeenWindow, size: int) -> Rows:
    """Only the rows with slots of this size, ascending; a huge page's frame is aligned to it."""
    return {
        row: {0: replace(seen, frame=seen.frame * 512)} if isinstance(seen, Page) else seen
        for row, seen in sorted(window.items())
        if seen is not None and isinstance(seen, Page) == (size == 512)
    }


def keys_of(block: PageBlock) -> Iterator[tuple[tuple[int, int], Key]]:
    """Place of each slot in the block's arrays, and whose it is."""
    size = block.pages_per_slot
    for row, address in enumerate(block.addresses.tolist()):
        for column in range(block.present.shape[1]):
            yield (row, column), (address + column * size * PAGE, size)


def one_pass(history: PassHistory, model: Model, seen: Seen, first: int, ends: bool) -> None:
    """Feed both with the same windows, from row `first` of the first region on."""
    for number, (region, window) in enumerate(sorted(seen.items())):
        start_row = first if number == 0 else 0
        rows = {row: it for row, it in window.items() if row >= start_row}
        blocks = [
            block_of(region, mine, size) for size in (512, 1) if (mine := rows_of(rows, size))
        ]
        for block in blocks:
            state = history.fold(block)
            assert state.dtype == np.uint16
            size = block.pages_per_slot
            for at, key in keys_of(block):
                page = None
                if block.present[at]:
                    page = Page(
                        int(block.frames[at]), bool(block.slow[at]), bool(block.accessed[at])
                    )
                found, expected = int(state[at]), model.see(key, page)
                assert found == expected, (key, page)
            model.met |= {(address, size) for address in block.addresses.tolist()}
    if ends:
        history.end_pass()
        model.end_pass()
    assert history.pages == model.pages


def some_slots(data: st.DataObject, model: Model, size: int) -> list[int]:
    """Addresses of slots of a size, known and unknown ones, ascending."""
    step = PAGE if size == 1 else HUGE
    known = [address for address, pages in model.records if pages == size]
    others = [r * REGION + row * HUGE + c * step for r in REGIONS for row in ROWS for c in (0, 7)]
    if size == 512:
        others = [address & -HUGE for address in others]
    return sorted(data.draw(st.sets(st.sampled_from([*known, *others]), max_size=6)))


def words(addresses: list[int]) -> UIntArray:
    return np.array(addresses, dtype=np.uint64)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_history_remembers_what_a_record_for_each_slot_would(data: st.DataObject) -> None:
    history, model = PassHistory(), Model()
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["pass"] * 5 + ["restart", "shared", "forget_stuck"])):
            case "pass":
                # A pass that was stopped has no end; the next one may start inside a region.
                ends, first = data.draw(st.booleans()), data.draw(st.sampled_from(ROWS))
                one_pass(history, model, data.draw(PASS), first, ends)
            case "restart" | "shared" as what:
                size = data.draw(st.sampled_from([1, 512]))
                chosen = some_slots(data, model, size)
                change = history.restart if what == "restart" else history.mark_stuck
                change(words(chosen), size)
                for address in chosen:
                    if record := model.records.get((address, size)):
                        record.bits, record.shared = [], what == "shared"
            case "forget_stuck":
                history.forget_stuck()
                unshared = {k: record for k, record in model.records.items() if not record.shared}
                model.records = unshared
        assert history.pages == model.pages


def repeat(history: PassHistory, pages: list[Page]) -> list[int]:
    """States of one slot through passes."""
    return [int(history.fold(block_of(3, {1: {7: page}}, 1))[0, 7]) for page in pages]


def test_the_first_look_says_nothing_and_the_register_holds_six_passes() -> None:
    hot = Page(PAGE, True, True)
    states = repeat(PassHistory(), [hot] * 9)
    assert states == [0] + [(2 << n) - 1 for n in (1, 2, 3, 4, 5, 6, 6, 6)]


def test_a_page_with_another_frame_starts_without_a_past() -> None:
    hot, other = Page(PAGE, True, True), Page(2 * PAGE, True, True)
    assert repeat(PassHistory(), [hot, hot, other, other]) == [0, 0b11, 0, 0b11]


def test_a_page_that_was_promoted_and_comes_back_starts_without_a_past() -> None:
    hot, promoted = Page(PAGE, True, True), Page(PAGE, False, True)
    assert repeat(PassHistory(), [hot, hot, promoted, hot, hot]) == [0, 0b11, 0, 0, 0b11]


def test_a_row_that_became_a_huge_page_and_back_is_new_each_time() -> None:
    history = PassHistory()
    page = Page(HUGE, True, True)

    def look(size: int) -> int:
        block = block_of(3, {1: {0: page}}, size)
        state = int(history.fold(block)[0, 0])
        history.end_pass()
        return state

    assert [look(size) for size in (1, 1, 512, 512, 1, 1)] == [0, 0b11, 0, 0b11, 0, 0b11]


def test_a_gigabyte_page_has_a_history_of_its_own() -> None:
    history = PassHistory()
    yes = np.ones((1, 1), dtype=np.bool_)
    frames = np.full((1, 1), REGION, dtype=np.uint64)
    block = PageBlock(words([3 * REGION]), 1 << 18, frames, yes, yes, yes)
    assert [int(history.fold(block)[0, 0]) for _ in range(3)] == [0, 0b11, 0b111]
    history.restart(words([3 * REGION]), 1 << 18)
    assert int(history.fold(block)[0, 0]) == 0b11
    assert history.pages == 1 << 18


def both(pages: list[Page], *, row: int = 1) -> list[int]:
    """States without an average of one slot through passes, where all pages have a history."""
    history, states = PassHistory(both_tiers=True), []
    for page in pages:
        states.append(int(history.fold(block_of(3, {row: {7: page}}, 1))[0, 7]) & 0xFF)
        history.end_pass()
    return states
