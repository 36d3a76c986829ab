"""What was promised against what was measured."""

from collections.abc import Callable

import pytest

from mmscand_lab.result import Result
from mmscand_lab.scenario import SCENARIOS
from mmscand_lab.verdict import all_kept, as_json, main_promise_kept, rows, verdict

MakeResult = Callable[..., Result]
RANDOM, THP = SCENARIOS["random"], SCENARIOS["thp"]


def short(result: Result, name: str = "random") -> list[str]:
    return [row.figure for row in rows(SCENARIOS[name], result) if row.ok is False]


def test_a_good_experiment_keeps_everything(make_result: MakeResult) -> None:
    result = make_result()
    assert short(result) == []
    assert all_kept(RANDOM, result)
    assert verdict(RANDOM, result) == "all as promised"


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ({"hot_promoted_share": 0.9989}, "hot pages in the top tier"),
        ({"cold_promoted_share": 0.00011}, "cold pages in the top tier"),
        ({"passes_to_99_9": 6}, "passes until 99.9 % were"),
        ({"passes_to_99_9": None, "seconds_to_99_9": None}, "passes until 99.9 % were"),
        ({"app_ops_ratio": 0.94}, "app speed, after / before"),
        ({"thp_splits": 1}, "huge pages split"),
    ],
)
def test_each_promise_can_fall_short(
    make_result: MakeResult, change: dict[str, object], figure: str
) -> None:
    result = make_result(**change)
    assert short(result) == [figure]
    assert main_promise_kept(RANDOM, result) is (figure != "hot pages in the top tier")
    assert "promise" in verdict(RANDOM, result)
    assert not all_kept(RANDOM, result)


def test_the_other_scenarios_promise_less_and_no_speed(make_result: MakeResult) -> None:
    change = {"hot_promoted_share": 0.99, "cold_promoted_share": 0.01, "app_ops_ratio": 0.1}
    assert short(make_result(**change, passes_to_99_9=None), "thp") == []
    assert short(make_result(passes_to_99=6), "range") == ["passes until 99 % were"]


def test_the_right_node_is_a_promise_too(make_result: MakeResult) -> None:
    assert short(make_result(pages_promoted_to={"1": 3277}), "two-fast") == []
    wrong = make_result(pages_promoted_to={"0": 3277, "1": 3273})
    assert short(wrong, "two-fast") == ["pages promoted to node 1"]


def test_failures_are_named_and_never_is_a_word(make_result: MakeResult) -> None:
    result = make_result(passes_to_99=None, seconds_to_99=None)
    shown = {row.figure: row for row in rows(THP, result)}
    assert shown["passes until 99 % were"].value == "never"
    assert shown["pages promoted / failed"].value == "200 / 3 EBUSY, 4 ENOMEM"
    assert [row.word for row in shown.values()][-1] == ""


def test_json_has_every_figure_and_the_verdicts(make_result: MakeResult) -> None:
    result = make_result(thp_splits=3)
    data = as_json(RANDOM, result)
    assert {key: data[key] for key in result} == dict(result)
    assert data["ok"] is False
    checks = data["checks"]
    assert isinstance(checks, list)
    assert {"figure": "huge pages split", "value": "3", "target": "0", "ok": False} in checks


def test_what_emulation_cannot_judge_is_not_judged(make_result: MakeResult) -> None:
    result = make_result(accelerator="emulation", app_ops_ratio=0.42)
    assert short(result) == []
    shown = {row.figure: row.value for row in rows(RANDOM, result)}
    assert "app speed, after / before" not in shown
    assert "daemon, of one core" not in shown
    assert shown["speed of the program, CPU time of mmscand"] == "not judged in emulation"


SLOWED: dict[str, object] = {"accelerator": "emulation", "tier_speeds": {"factor": 20.0}}


def test_where_slow_memory_is_slow_throughput_is_a_share_of_all_fast(
    make_result: MakeResult,
) -> None:
    result = make_result(**SLOWED, app_ops_per_s_after=4.8e6)
    assert short(result) == []
    shown = {row.figure: row.value for row in rows(RANDOM, result)}
    assert shown["throughput before mmscand, of all-fast"] == "40 %"
    assert shown["while pages move"] == "80 %"
    assert shown["afterwards"] == "96 %"
    assert shown["cache misses that fast memory serves"] == "75 %"
    assert short(make_result(**SLOWED, app_ops_per_s_after=4.7e6)) == ["afterwards"]
    assert short(make_result(**SLOWED, app_ops_per_s_after=4.7e6), "thp") == []


def test_of_huge_pages_one_in_a_hundred_may_be_split_to_look_inside(
    make_result: MakeResult,
) -> None:
    assert short(make_result(thp_splits=2), "thp") == []
    assert short(make_result(thp_splits=3), "thp") == ["huge pages split"]
