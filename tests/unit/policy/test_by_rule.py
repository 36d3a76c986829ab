"""Which rule a policy has, by its name."""

from dataclasses import replace
from typing import get_args

import pytest

from mmscand.policy.by_rule import Rule, rule_of
from mmscand.policy.frequency import Frequency
from mmscand.policy.nothing import Nothing
from mmscand.policy.two_pass import TwoPass
from mmscand.settings import PolicyName, Settings


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"policy": "first-touch", "hot_passes": 3}, TwoPass(1)),
        ({"policy": "two-pass", "hot_passes": 3}, TwoPass(3)),
        ({"policy": "frequency"}, Frequency()),
        ({"policy": "nothing"}, Nothing()),
        ({"policy": "capacity"}, TwoPass(2)),  # in a dry run
    ],
)
def test_each_policy_has_its_rule(values: dict[str, str | int], rule: Rule) -> None:
    found = rule_of(replace(Settings(), **values))
    assert (type(found), found == rule) == (type(rule), isinstance(rule, TwoPass))


def test_no_policy_is_without_a_rule() -> None:
    for name in get_args(PolicyName):
        assert rule_of(replace(Settings(), policy=name))
    with pytest.raises(KeyError):
        # A name that was forgotten in rule_of: the type has none of these.
        rule_of(replace(Settings(), policy="new"))  # type: ignore[arg-type]
