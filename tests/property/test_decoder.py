"""Decoder.leaves against one entry at a time in plain integers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.linux.arch.entries import Decoder, Leaves
from mmscand.linux.arch.x86_64 import X86_64
from mmscand.model import UIntArray
from synthetic.tables import PAGE, PMD, PTE, PUD, leaf, swap_entry

Ranges = tuple[tuple[int, int], ...]
Truth = tuple[int, bool, bool, bool]

FAST = settings(max_examples=100, deadline=None)
ENCRYPTION = st.sampled_from([0, 1 << 47, 1 << 51, 1 << 36])
SHIFTS = st.sampled_from([PTE, PMD, PUD])
FRAMES = st.integers(0, (1 << 40) - 1).map(lambda number: number * PAGE)
SOME_RANGES = st.lists(st.tuples(FRAMES, st.integers(1, 1 << 38)), max_size=4).map(
    lambda pairs: tuple((start, start + pages * PAGE) for start, pages in pairs)
)
RANGES = st.one_of(SOME_RANGES, st.just(((0, 1 << 40), (1 << 41, 1 << 52))))


def reference(entry: int, shift: int, encryption_bit: int, slow_ranges: Ranges) -> Truth:
    """What arch/x86 says of one entry: frame, present, accessed, slow."""
    # PROT_NONE with bit 10 is watched by userfaultfd.
    hidden = entry & 0x701 == 0x100
    present = (bool(entry & 1) or hidden) and not entry & 0x200
    stored = entry
    if hidden:
        stored = ~entry
    frame = 0
    for bit in range(shift, 52):
        if stored >> bit & 1 and 1 << bit != encryption_bit:
            frame += 1 << bit
    slow = present and any(start <= frame < end for start, end in slow_ranges)
    return frame, present, present and bool(entry & 0x20), slow


@st.composite
def words(draw: st.DrawFn, shift: int, encryption_bit: int) -> int:
    """Random words, and the kinds that the kernel really writes."""
    kind = draw(st.sampled_from(["any", "zero", "mapped", "prot_none", "watched", "swap"]))
    if kind == "any":
        return draw(st.integers(0, (1 << 64) - 1))
    if kind == "zero":
        return 0
    if kind == "swap":
        return swap_entry(draw(st.integers(0, 31)), draw(st.integers(0, 1 << 40)))
    word = leaf(
        draw(FRAMES) & -(1 << shift) & ~encryption_bit,
        shift,
        accessed=draw(st.booleans()),
        prot_none=kind in ("prot_none", "watched"),
        encryption_bit=encryption_bit,
        pat=draw(st.booleans()),
    )
    return word | 0x400 if kind == "watched" else word


def same(found: Leaves, frames: np.ndarray, truth: list[Truth], picks: np.ndarray) -> None:
    """Compare every array of the answer with the truth of the word that was put there."""
    columns = zip(*truth, strict=True)
    for name, column in zip(("frames", "present", "accessed", "slow"), columns, strict=True):
        dtype = np.uint64 if name == "frames" else np.bool_
        array = frames if name == "frames" else getattr(found, name)
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, np.array(column, dtype=dtype)[picks], err_msg=name)


@FAST
@given(st.data(), ENCRYPTION, RANGES, SHIFTS, st.integers(0, 1000))
def test_every_entry_decodes_as_one_at_a_time_would(
    data: st.DataObject, encryption_bit: int, slow_ranges: Ranges, shift: int, seed: int
) -> None:
    pool = data.draw(st.lists(words(shift, encryption_bit), min_size=1, max_size=40))
    truth = [reference(word, shift, encryption_bit, slow_ranges) for word in pool]
    decoder = Decoder(encryption_bit, slow_ranges)
    rng = np.random.default_rng(seed)
    shapes = st.tuples(st.integers(0, 200), st.sampled_from([1, 512]))
    for shape in data.draw(st.lists(shapes, min_size=1, max_size=3)):  # one decoder for them all
        picks = rng.integers(0, len(pool), shape)
        entries = np.array(pool, dtype=np.uint64)[picks]
        before = entries.copy()
        frames = decoder.frames(entries, shift)
        same(decoder.leaves(entries, shift), frames, truth, picks)
        np.testing.assert_array_equal(entries, before, err_msg="the entries were changed")


@FAST
@given(st.lists(FRAMES, min_size=1, max_size=20), ENCRYPTION, SHIFTS)
def test_a_frame_survives_prot_none(frames: list[int], encryption_bit: int, shift: int) -> None:
    frames = [frame & -(1 << shift) & ~encryption_bit for frame in frames]
    entries = np.array(
        [[leaf(f, shift, prot_none=True, encryption_bit=encryption_bit)] for f in frames],
        dtype=np.uint64,
    )
    decoder = Decoder(encryption_bit)
    assert decoder.frames(entries, shift)[:, 0].tolist() == frames
    assert decoder.leaves(entries, shift).present.all()


def test_the_ends_of_a_slow_range_are_exact() -> None:
    start, end = 7 * PAGE, 9 * PAGE
    frames = [start - PAGE, start, end - PAGE, end, 0, (1 << 52) - PAGE]
    entries = np.array([[leaf(frame) for frame in frames]], dtype=np.uint64)
    slow = Decoder(0, ((start, end),)).leaves(entries).slow
    assert slow[0].tolist() == [False, True, True, False, False, False]


def test_the_zero_pages_are_no_pages_of_a_tier() -> None:
    decoder = Decoder(0, ((0, 1 << 52),), 6 << 21)
    small = np.array([[leaf(5 * PAGE) | 1 << 9, leaf(5 * PAGE)]], dtype=np.uint64)
    assert decoder.leaves(small).present.tolist() == [[False, True]]
    huge = np.array([[leaf(6 << 21, PMD)], [leaf(7 << 21, PMD)]], dtype=np.uint64)
    found = decoder.leaves(huge, PMD)
    for array in (found.present, found.accessed, found.slow):
        assert array.tolist() == [[False], [True]]


def test_whole_tables_share_their_arrays_and_huge_pages_do_not() -> None:
    decoder = Decoder()
    whole = np.full((3, 512), leaf(PAGE), dtype=np.uint64)
    huge = np.full((3, 1), leaf(0, PMD), dtype=np.uint64)
    kept = decoder.leaves(huge, PMD)
    first = decoder.leaves(whole)
    assert np.shares_memory(first.slow, decoder.leaves(whole).slow)
    assert not np.shares_memory(kept.slow, decoder.leaves(huge, PMD).slow)
    assert kept.present.all()


@FAST
@given(st.lists(st.one_of(st.integers(0, (1 << 64) - 1), words(PMD, 0)), min_size=1, max_size=30))
def test_an_upper_entry_is_a_table_or_a_leaf_or_nothing(pool: list[int]) -> None:
    entries: UIntArray = np.array(pool, dtype=np.uint64)
    found = zip(pool, X86_64.tables(entries), X86_64.large_leaves(entries), strict=True)
    for word, table, leafs in found:
        assert bool(table) == (word & 0x81 == 0x01)
        assert bool(leafs) == (word & 0x80 == 0x80 and word & 0x101 != 0)
