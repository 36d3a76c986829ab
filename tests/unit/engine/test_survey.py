"""How much of all accesses the hottest pages have, by what is known of them after a while."""

import numpy as np
import pytest

from mmscand.engine.survey import Survey
from mmscand.heat.word import STATES
from mmscand.model import REGION_BYTES, PageBlock
from mmscand.sim.placement import Run
from mmscand.sim.workload import Workload
from mmscand.sim.workloads import Frame, workload_named
from mmscand.sizing import Curve

PAGES, CAPACITY = 16384, 1820
SIZES = [PAGES / share for share in (256, 64, 16, 8, 4, 2)]


def curves(workload: Workload, seconds: float) -> tuple[Curve, Curve]:
    """By the rates that the daemon knows, and by the true ones."""
    run = Run(workload, "capacity", CAPACITY, 1)
    while run.now < seconds:
        run.visit(seconds)
    (known,) = run.world.rates()
    rates = workload.rates_in(0)
    return (
        Curve.of((rate, slow + fast) for rate, slow, fast in known.rates),
        Curve.of(zip(rates.tolist(), workload.sizes.tolist(), strict=True)),
    )


def points_off(name: str, intensity: float, seconds: float) -> list[float]:
    known, true = curves(
        workload_named(name, Frame(PAGES, CAPACITY, seconds, intensity, 1)), seconds
    )
    return [100 * (known.share(size) - true.share(size)) for size in SIZES]


def test_the_share_of_each_size_is_right_where_few_pages_have_most_accesses() -> None:
    assert points_off("zipf-0.99", 1.0, 60.0) == pytest.approx([0.0] * len(SIZES), abs=3.0)


@pytest.mark.parametrize("intensity", [1.0, 10.0, 100.0])
def test_it_stays_right_and_pages_that_are_used_alike_look_alike(intensity: float) -> None:
    """Set bits of pages that are accessed all the time are no reason to take them for colder."""
    assert points_off("gups", intensity, 120.0) == pytest.approx([0.0] * len(SIZES), abs=2.0)


def test_reads_come_at_growing_distances_and_end_however_the_clock_goes() -> None:
    everything = np.ones((1, 512), dtype=np.bool_)
    frames = np.arange(512, dtype=np.uint64)[None, :] << np.uint64(12)
    block = PageBlock(
        np.array([REGION_BYTES], dtype=np.uint64), 1, frames, everything, everything, everything
    )
    words, rates = np.ones((1, 512), dtype=np.uint16), np.ones(STATES)
    for passes, times in ((True, [0.1, 0.3, 0.9, 2.7]), (False, [0.1] * 4)):
        survey = Survey()
        assert survey.choose(block, words, rates) is None  # nobody wants one
        survey.begin()
        chosen = survey.choose(block, words, rates)
        assert chosen is not None and chosen.all()
        survey.were_cleared(5.0)
        found = []
        while (due := survey.next_read()) is not None:
            found.append(1000 * (due[0] - 5.0))
            for _ in range(8):  # as many blocks as the rows are in several GiB
                survey.were_read(due[0] if passes else 5.0)
        assert found == pytest.approx(times)
        survey.end()
        assert survey.next_read() is None
