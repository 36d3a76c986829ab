"""How much of all accesses the hottest pages have, by what is known of them after a while."""

import pytest

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


def test_it_stays_right() -> None:
    """Set bits of pages that are accessed all the time are no reason to take them for colder."""
    assert points_off("gups", 10.0, 120.0)[3:] == pytest.approx([0.0] * 3, abs=2.0)
