"""Sums by group: nothing is counted twice, and no sum falls."""

from typing import Any

from mmscand.control.snapshots import process_object
from mmscand.observe.groups import OTHER, Groups, by_rule_or_name
from support.fake_daemon import watched


def row(pid: int = 7, rule: str = "a", promoted: int = 0, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return process_object(watched(pid)) | {
        "rule": rule,
        "saved_s": 0.0,
        "counters": {"promoted": promoted},
        **more,
    }


def test_what_was_before_the_first_answer_is_not_counted() -> None:
    groups = Groups()
    assert groups.take(1, [row(promoted=100)])["a"]["promoted"] == 0
    assert groups.take(1, [row(promoted=130, saved_s=0.5)])["a"]["promoted"] == 30
    assert groups.take(1, [row(promoted=130, saved_s=0.5)])["a"]["saved_s"] == 0.5


def test_a_process_that_leaves_takes_nothing_from_a_sum() -> None:
    groups = Groups()
    groups.take(1, [row(1), row(2)])
    groups.take(1, [row(1, promoted=5), row(2, promoted=7)])
    left = groups.take(1, [row(1, promoted=6)])["a"]
    assert (left["promoted"], left["processes"]) == (13, 1)
    gone = groups.take(1, [])["a"]
    assert (gone["promoted"], gone["processes"]) == (13, 0)
    again = groups.take(1, [row(2, promoted=3, start_time=9)])["a"]  # another with its pid
    assert again["promoted"] == 16


def test_a_daemon_that_was_started_again_counts_from_nothing() -> None:
    groups = Groups()
    groups.take(1, [row(promoted=100)])
    assert groups.take(2, [row(promoted=4)])["a"]["promoted"] == 4
    assert groups.take(2, [row(promoted=1)])["a"]["promoted"] == 5  # after an execve
    assert groups.take(3, [row(promoted=9)])["a"]["promoted"] == 14


def test_sizes_are_added_and_of_periods_the_longest_counts() -> None:
    rows = [row(1, scan_period_ms=100, useful_pages=3), row(2, scan_period_ms=900, useful_pages=4)]
    found = Groups().take(1, rows)["a"]
    assert (found["scan_period_ms"], found["useful_pages"]) == (900, 7)
    assert found.keys().isdisjoint({"failed_percent", "cursor", "target_node", "aggressiveness"})


def test_groups_are_few_and_the_rest_is_other() -> None:
    groups = Groups(most=2)
    rows = [row(pid, rule=f"r{pid}") for pid in range(1, 6)]
    assert {name: each["processes"] for name, each in groups.take(1, rows).items()} == {
        "r1": 1,
        "r2": 1,
        OTHER: 3,
    }
    found = groups.take(1, [row(4, rule="r4", promoted=8)])
    assert found["r4"]["promoted"] == 8  # a group without a process gave way
    assert len(found.keys() - {OTHER}) == 2
    assert groups.name_of(row(9, rule="r9")) == OTHER


def test_where_no_rule_matches_the_name_makes_the_group() -> None:
    groups = Groups(by_rule_or_name)
    found = groups.take(1, [row(1, rule="default", name="redis"), row(2, rule="cgroup=/x")])
    assert set(found) == {"name=redis", "cgroup=/x"}
