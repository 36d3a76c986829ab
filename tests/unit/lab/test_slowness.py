"""How slow a core is, and the budget that it makes."""

import tomllib

from mmscand.settings import Settings
from mmscand_lab.slowness import Budget, Pace, configuration, factor, work_s

SHIPPED = Budget(1.0, 20.0, 100)


def test_a_core_is_never_faster_than_the_one_it_is_compared_with() -> None:
    assert factor(0.01, 0.3) == 30
    assert factor(0.01, 0.005) == 1


def test_the_budget_grows_by_the_factor_up_to_the_bounds_of_the_knobs() -> None:
    assert SHIPPED.scaled(1) == SHIPPED
    assert SHIPPED.scaled(27.3456) == Budget(27.35, 546.9, 2735)
    most = SHIPPED.scaled(20_000)
    assert most == Budget(100, 3600, 1_000_000)
    Settings(**most.settings())


def test_the_configuration_is_toml_that_the_knobs_take() -> None:
    text = configuration({**SHIPPED.scaled(30).settings(), "scan_period_max_ms": 9000})
    settings = Settings(**tomllib.loads(text)["settings"])
    assert (settings.cpu_budget_percent, settings.cpu_burst_s) == (30, 600)
    assert settings.scan_period_max_ms == 9000


def test_the_same_work_takes_some_time() -> None:
    assert work_s() > 0


def test_the_budget_follows_a_host_that_gets_busy_and_not_what_measurements_differ_by() -> None:
    times = iter([0.2, 0.25, 0.5, 0.45, 0.2])
    pace = Pace(SHIPPED, 0.01, lambda: next(times))
    assert pace.budget == SHIPPED.scaled(20)
    assert not pace.has_changed()
    assert pace.budget == SHIPPED.scaled(20)
    assert pace.has_changed()
    assert pace.budget == SHIPPED.scaled(50)
    assert not pace.has_changed()
    assert pace.has_changed()
    assert pace.budget == SHIPPED.scaled(20)
