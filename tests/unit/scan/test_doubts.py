"""Rules that never match, or never decide."""

import re

import pytest

from mmscand.scan.doubts import CgroupView, doubts
from mmscand.scan.rules import Rule


def test_two_rules_with_the_same_conditions() -> None:
    rules = (Rule(3, uid=1), Rule(3, uid=2), Rule(9, uid=1))
    assert list(doubts(rules, "whole")) == [
        "rule 3 (uid=1) has the same conditions as rule 1: that one never decides"
    ]
    assert list(doubts((Rule(1), Rule(2)), "whole")) != []


def test_a_name_longer_than_what_is_looked_at() -> None:
    names = [re.compile("x" * length) for length in (16, 64, 65)]
    (doubt,) = doubts(tuple(Rule(3, name=name) for name in names), "whole")
    assert doubt.startswith("rule 3 (name=xxx")
    assert "never matches: it asks for 65 characters" in doubt


@pytest.mark.parametrize(
    ("view", "cgroup", "words"),
    [
        ("whole", "/a", ""),
        ("none", "/a", "never matches: this machine has no cgroup v2"),
        ("none", "**/a", "never matches"),
        ("none", "/", ""),
        ("namespace", "/a", "matches no process outside our cgroup namespace"),
        ("namespace", "**/a", ""),
        ("namespace", "**/kubepods.slice/kubepods-besteffort.slice", "matches no pod"),
        ("namespace", "**/kubepods-besteffort.slice", ""),
        ("whole", "**/kubepods.slice/kubepods-besteffort.slice", ""),
        ("namespace", "/../a", ""),
    ],
)
def test_a_cgroup_that_this_machine_does_not_show(
    view: CgroupView, cgroup: str, words: str
) -> None:
    found = list(doubts((Rule(3, cgroup=cgroup),), view))
    assert bool(found) is bool(words)
    assert words in "".join(found)


def test_a_guest_s_memory_that_a_rule_has_scanned() -> None:
    (doubt,) = doubts((Rule(5, uid=1, unseen_use=True),), "whole")
    assert "pages in use may look cold there" in doubt
    (doubt,) = doubts((Rule(5, unseen_use=True),), "whole")
    assert "has no condition, so that its unseen_use has no effect" in doubt
