"""What is wrong with a daemon, by its status."""

from dataclasses import replace
from typing import Any

import pytest

from mmscand.cli.health import findings
from mmscand.control.snapshots import status_object
from support.fake_daemon import NOW, FakeDaemon


def status(**other: object) -> dict[str, Any]:
    return status_object(replace(FakeDaemon().status(), **other), "1")


def test_a_daemon_that_gets_on_has_nothing_wrong() -> None:
    assert findings(status(), NOW) == []


@pytest.mark.parametrize(
    ("other", "level", "words"),
    [
        ({"trouble": "thread x has ended"}, "CRITICAL", "thread x has ended"),
        ({"enabled": False}, "WARNING", "switched off"),
        ({"last_pass_timestamp": NOW - 400}, "WARNING", "was looked at for 6 min 40 s"),
        (
            {"last_pass_timestamp": None, "start_timestamp": NOW - 301},
            *("WARNING", "no process was looked at for 5 min 1 s"),
        ),
        ({"minute": {"failed_ENOMEM": 600, "promoted": 500}}, "WARNING", "600 pages found a full"),
        ({"reused_ratio": 0.1}, "WARNING", "only 10 % of promoted pages were used again"),
    ],
)
def test_each_trouble_is_found(other: dict[str, Any], level: str, words: str) -> None:
    (found,) = findings(status(**other), NOW)
    assert found.level == level
    assert words in found.words


@pytest.mark.parametrize(
    "other",
    [
        {
            "last_pass_timestamp": NOW - 400,
            "states": {"idle": 2},
        },  # processes that sleep are not looked at
        {"minute": {"failed_ENOMEM": 600, "promoted": 700}},
        {"minute": {"failed_ENOMEM": 20}},
        {"reused_ratio": 0.1, "start_timestamp": NOW - 60},
        {"reused_ratio": 0.1, "counters": {"promoted": 9}},
    ],
)
def test_what_is_usual_is_no_trouble(other: dict[str, Any]) -> None:
    assert findings(status(**other), NOW) == []


def test_the_worst_comes_first() -> None:
    found = findings(status(enabled=False, trouble="ended"), NOW)
    assert [each.level for each in found] == ["CRITICAL", "WARNING"]
