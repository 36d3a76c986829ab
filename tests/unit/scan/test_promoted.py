import numpy as np

from mmscand.model import PAGE_BYTES, REGION_BYTES, PageBlock
from mmscand.scan.promoted import TURNS, Looked, PromotedSample

ROWS = 4
NONE = np.zeros((ROWS, 512), dtype=np.bool_)


def block(
    *,
    slow: "list[int] | None" = None,
    accessed: "list[int] | range" = (),
    absent: "list[int] | None" = None,
    huge: bool = False,
) -> PageBlock:
    shape = (ROWS, 1 if huge else 512)
    masks = [np.zeros(shape, dtype=np.bool_) for _ in range(3)]
    for mask, which in zip(masks, (slow or [], accessed, absent or []), strict=True):
        mask.reshape(-1)[list(which)] = True
    addresses = REGION_BYTES + (2 << 20) * np.arange(ROWS, dtype=np.uint64)
    present = ~masks[2]
    return PageBlock(
        addresses,
        512 if huge else 1,
        np.zeros(shape, dtype=np.uint64),
        present,
        masks[1] & present,
        masks[0] & present,
    )


def addresses(slots: "list[int] | range", pages_per_slot: int = 1) -> np.ndarray:
    return np.array([REGION_BYTES + s * pages_per_slot * PAGE_BYTES for s in slots], np.uint64)


def passes(sample: PromotedSample, *blocks: PageBlock) -> list[Looked]:
    found = []
    for each in blocks:
        looked = sample.look(each, NONE if each.present.shape[1] > 1 else NONE[:, :1])
        sample.end_pass()
        if looked is not None:
            found.append(looked)
    return found


def test_a_quarter_is_aged_in_each_pass_and_looked_at_in_the_next() -> None:
    sample = PromotedSample()
    sample.join(addresses(range(0, 800, 2)), 1)
    every = block(accessed=range(0, 2048))
    first, *others = passes(sample, *[every] * (TURNS + 1))
    assert first.judged == 0  # a page takes its bit along when it moves: that proves nothing
    assert all(60 < looked.judged < 140 for looked in others)
    assert sum(looked.judged for looked in others) == 400  # each in its turn
    assert sum(looked.again for looked in others) == 400
    assert [looked.accessed for looked in others] == [TURNS * looked.judged for looked in others]
    aged = [row * 512 + column for row, column in (o.to_age for o in (first, *others[:-1]))]
    assert sorted(np.concatenate(aged).tolist()) == list(range(0, 800, 2))


def test_a_page_is_again_once_and_accessed_each_time() -> None:
    sample = PromotedSample()
    sample.join(addresses(range(400)), 1)
    looked = passes(sample, *[block(accessed=range(400))] * (2 * TURNS + 1))
    assert sum(each.again for each in looked) == 400
    assert sum(each.accessed for each in looked) == 2 * TURNS * 400


def test_what_is_not_accessed_is_judged_and_counts_for_nothing() -> None:
    sample = PromotedSample()
    sample.join(addresses(range(400)), 1)
    looked = passes(sample, *[block(accessed=range(500, 600))] * (TURNS + 1))
    assert sum(each.judged for each in looked) == 400
    assert sum(each.again + each.accessed + each.returned for each in looked) == 0
    assert not any(len(each.to_age[0]) for each in looked)  # their bits are clear already


def test_pages_that_were_demoted_again_or_were_freed_are_reported_and_forgotten() -> None:
    sample = PromotedSample()
    sample.join(addresses(range(100)), 1)
    (looked,) = passes(sample, block(slow=list(range(30)), absent=list(range(90, 100))))
    assert looked.returned == 30
    assert len(sample) == 60
    assert passes(sample, block(slow=list(range(30))))[0].returned == 0


def test_rows_that_are_gone_are_forgotten_after_a_whole_pass() -> None:
    sample = PromotedSample()
    sample.join(addresses([0, 4000]), 1)  # the second is beyond the block
    passes(sample, block(), block())
    assert len(sample) == 1


def test_pages_that_cannot_be_aged_are_dropped() -> None:
    sample = PromotedSample()
    sample.join(addresses(range(10)), 1)
    sample.drop(addresses([3, 4]))
    assert len(sample) == 8


def test_huge_pages_count_as_512_also_when_they_were_split_since() -> None:
    sample = PromotedSample()
    sample.join(addresses([0, 2], 512), 512)
    looked = passes(sample, *[block(huge=True, accessed=range(ROWS))] * (TURNS + 1))
    assert sum(each.again for each in looked) == 1024
    (split,) = passes(sample, block(slow=[0]))
    assert split.returned == 512


def test_of_many_pages_a_bounded_sample_reports_about_all() -> None:
    rng = np.random.default_rng(1)
    sample = PromotedSample()
    for part in np.array_split(rng.permutation(2048), 4):
        sample.join(addresses(sorted(part.tolist())), 1)
    assert 300 < len(sample) <= 1024
    used = range(0, 2048, 3)
    looked = passes(sample, *[block(accessed=used)] * (TURNS + 1))
    assert abs(sum(each.again for each in looked) - len(used)) < 0.15 * len(used)
    assert abs(sum(each.accessed for each in looked) / TURNS - len(used)) < 0.15 * len(used)


def test_what_is_aged_anyway_is_judged_too_for_as_many_passes_as_it_was_not() -> None:
    sample = PromotedSample()
    sample.join(addresses(range(100)), 1)
    used = block(accessed=range(100))
    all_aged = used.present.copy()
    assert sample.look(used, all_aged, more=False) is not None
    for _ in range(20):
        sample.end_pass(lambda addresses: np.ones(len(addresses), dtype=np.bool_))
    looked = sample.look(used, ~all_aged, more=False)
    assert looked is not None
    assert (looked.judged, looked.accessed, looked.again) == (100, 2000, 100)
    assert len(looked.to_age[0]) == 0
    sample.end_pass()
    after = sample.look(used, ~all_aged, more=False)
    assert after is not None
    assert after.judged == 0
