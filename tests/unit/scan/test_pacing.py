"""The RFC's tuning to the integer: the test vectors of kmmscand-rfc section 1.6."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.scan.pacing import (
    PROFILES,
    FailureRatio,
    Limits,
    Pace,
    Pacer,
    limits_of,
    tuned,
    v3_scaled,
)
from mmscand.settings import Profile, Settings

MANY = 100_000


def periods(name: str, start: int, found: int, useful: int, steps: int) -> list[int]:
    pace, limits = Pace(start, 1024, useful), PROFILES[name]
    seen = []
    for _ in range(steps):
        pace = tuned(pace, limits, found)
        seen.append(pace.period_ms)
    return seen


def test_idle_passes_stretch_the_period_by_15_percent() -> None:
    expected = [2300, 2645, 3041, 3497, 4021, 4624, 5000]
    for name in PROFILES:
        assert periods(name, 2000, 0, 0, 7) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v0", [1700, 1445, 1228, 1043, 886, 753, 640, 544, 462, 400]),
        ("v1", [1700, 1445, 1228, 1043, 886, 753, 640, 544, 500, 500]),
        ("v3", [1700, 1445, 1228, 1043, 886, 753, 640, 600, 600, 600]),
    ],
)
def test_productive_passes_shorten_it_by_15_percent(name: str, expected: list[int]) -> None:
    assert periods(name, 2000, MANY, MANY, 10) == expected


def test_the_first_useful_pass_divides_it_by_8_and_opens_the_size() -> None:
    limits = PROFILES["v1"]
    assert tuned(Pace(2000, 256), limits, MANY) == Pace(500, 4096, MANY)
    assert tuned(Pace(5000, 256), limits, MANY).period_ms == 625


def test_the_first_useless_pass_multiplies_it_by_8_and_leaves_the_size() -> None:
    limits = PROFILES["v1"]
    assert tuned(Pace(500, 2048, 300), limits, 0) == Pace(4000, 2048, 0)
    assert tuned(Pace(2000, 2048, 300), limits, 0).period_ms == 5000


def test_useful_pages_decay_by_16_and_take_three_idle_passes_to_fade() -> None:
    pace, seen = Pace(500, 1024, MANY), []
    for _ in range(3):
        pace = tuned(pace, PROFILES["v1"], 0)
        seen.append((pace.useful_pages, pace.period_ms))
    assert [useful for useful, _ in seen] == [6250, 390, 0]
    assert seen[-1][1] == 4000  # only now: times 8
    assert tuned(Pace(500, 1024, 4095), PROFILES["v1"], 0).useful_pages == 0


def test_few_useful_pages_are_none_and_v0_carries_nothing_over() -> None:
    assert tuned(Pace(2000, 1024), PROFILES["v0"], 99).useful_pages == 0
    assert tuned(Pace(2000, 1024), PROFILES["v0"], 100).useful_pages == 100
    assert tuned(Pace(2000, 1024), PROFILES["v1"], 255).useful_pages == 0
    assert tuned(Pace(2000, 1024, MANY), PROFILES["v0"], 0).useful_pages == 0


def v3_periods(scale: int, failed_percent: int, steps: int) -> list[int]:
    pace, seen = Pace(2000, 1024, MANY), []
    for _ in range(steps):
        pace = v3_scaled(tuned(pace, PROFILES["v3"], MANY), scale, failed_percent)
        seen.append(pace.period_ms)
    return seen


def test_v3_compounds_its_scaling_as_posted() -> None:
    assert v3_periods(8, 0, 5) == [3022, 4565, 6897, 8888, 8888]
    assert v3_periods(1, 20, 3) == [5100, 13005, 15000]
    assert v3_periods(8, 95, 4)[-1] == 88_880


def test_auto_keeps_the_base_apart_from_the_scaling() -> None:
    settings = Settings(scan_period_ms=2000)
    plain, eager, shy = (Pacer(settings, level) for level in (5, 10, 1))
    for _ in range(6):
        for pacer in (plain, eager, shy):
            pacer.step(MANY)
    assert plain.pace == eager.pace == shy.pace
    assert (eager.period_ms * 2, shy.period_ms) == (plain.period_ms, plain.period_ms * 5)


@pytest.mark.parametrize("profile", ["auto", "v1", "v3"])
def test_more_aggressive_is_never_slower(profile: Profile) -> None:
    def period(level: int) -> int:
        pacer = Pacer(Settings(profile=profile), level)
        for _ in range(5):
            pacer.step(MANY)
        return pacer.period_ms

    assert all(a >= b for a, b in itertools.pairwise(period(level) for level in range(1, 11)))


def test_failures_at_most_double_the_period_of_auto() -> None:
    pacer = Pacer(Settings())
    before = pacer.period_ms
    pacer.failures.add(0, 5000)
    assert pacer.period_ms == 2 * before


def test_the_failure_ratio_decays_by_4_and_counts_short_lists_together() -> None:
    ratio = FailureRatio()
    for _ in range(16):
        ratio.add(48, 16)  # 64 at a time: the RFC's would never count
    assert ratio.percent == 25
    ratio.add(0, 1024)
    assert ratio.percent == 100 * (256 // 4 + 1024) // (768 // 4 + 256 // 4 + 1024)


def test_new_settings_reach_a_process_that_is_known() -> None:
    pacer = Pacer(Settings(scan_period_ms=2000))
    pacer.step(0)
    pacer.adopt(Settings(scan_period_ms=700))
    assert pacer.period_ms == 700
    pacer.adopt(Settings(profile="v0"))
    assert (pacer.period_ms, pacer.most_pages(0)) == (2000, 4096 * 256)


@pytest.mark.parametrize(("profile", "most_mb"), [("v0", 16384), ("v1", 1024), ("v3", 1024)])
def test_v0_lifts_its_limit_once_a_pass_has_found_more_than_a_hundred(
    profile: Profile, most_mb: int
) -> None:
    pacer = Pacer(Settings(profile=profile))
    assert pacer.most_pages(100) == pacer.pace.size_mb * 256
    assert pacer.most_pages(101) == most_mb * 256


@given(
    st.lists(st.integers(0, 1 << 30), max_size=60),
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    st.integers(1, 10),
)
def test_auto_stays_in_its_limits_whatever_is_found(
    found: list[int], one: int, other: int, aggressiveness: int
) -> None:
    low, high = sorted((one, other))
    settings = Settings(scan_period_min_ms=low, scan_period_max_ms=high, scan_period_ms=low)
    limits: Limits = limits_of(settings)
    pacer = Pacer(settings, aggressiveness)
    for pages in found:
        pacer.step(pages)
        assert low <= pacer.pace.period_ms <= high
        assert limits.size_min_mb <= pacer.pace.size_mb <= limits.size_max_mb
        assert 1 <= pacer.period_ms <= 10 * high
