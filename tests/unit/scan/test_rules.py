"""Which rule wins, and what a child has from its parent."""

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.errors import UsageError
from mmscand.model import Process, ProcessFacts
from mmscand.scan.rules import Rule, RuleMatch, Rules

PG = "/system.slice/postgresql.service"


def facts(
    name: str = "postgres", pid: int = 50, uid: int = 26, cgroup: str = f"{PG}/main"
) -> ProcessFacts:
    return ProcessFacts(Process(pid, 1, name), 1, uid, cgroup)


def rule(
    aggressiveness: int = 5,
    name: str | None = None,
    pid: int | None = None,
    uid: int | None = None,
    cgroup: str | None = None,
) -> Rule:
    return Rule(aggressiveness, re.compile(name) if name else None, pid, uid, cgroup)


LADDER = [
    rule(1),
    rule(2, uid=26),
    rule(3, name="gres"),
    rule(4, name="gres", uid=26),
    rule(6, cgroup="/system.slice"),
    rule(7, cgroup="/system.slice/*"),
    rule(8, cgroup=PG),
    rule(9, pid=50),
    rule(10, pid=50, uid=26),
]
"""From the least specific to the most."""


@pytest.mark.parametrize(("less", "more"), list(itertools.pairwise(LADDER)))
def test_the_more_specific_rule_wins_wherever_it_stands(less: Rule, more: Rule) -> None:
    for order in ([less, more], [more, less]):
        assert Rules(order).decide(facts()).aggressiveness == more.aggressiveness


def test_of_equals_the_later_one_wins() -> None:
    rules = [rule(3, name="gres"), rule(9, name="post")]
    assert Rules(rules).decide(facts()) == RuleMatch(9, "name=post", own=True)
    assert Rules(rules[::-1]).decide(facts()) == RuleMatch(3, "name=gres", own=True)


@pytest.mark.parametrize("wrong", [{"name": "^gres"}, {"pid": 51}, {"uid": 0}, {"cgroup": "/x"}])
def test_every_condition_must_hold(wrong: dict[str, Any]) -> None:
    right = {"name": "gres", "pid": 50, "uid": 26, "cgroup": PG}
    assert Rules([rule(9, **right)]).decide(facts()).own
    assert Rules([rule(9, **{**right, **wrong})]).decide(facts()).rule == "default"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/", "/", True),
        ("/", "/a/b", True),
        ("/a", "/a", True),
        ("/a", "/a/b", True),
        ("/a/", "/a/b", True),
        ("/a", "/ab", False),
        ("/a/b", "/a", False),
        ("/*", "/a", True),
        ("/*", "/", False),
        ("/*/b", "/x/b/c", True),
        ("/*/b", "/x/y/b", False),
        ("/a?", "/ab", True),
        ("/a?", "/a/b", False),
        ("/a.b", "/axb", False),
        ("**/b", "/b", True),
        # Of other pods, as the daemon's pod sees them: cgroup_namespaces(7).
        ("**/kubepods-burstable-pod*.slice", "/../../kubepods-burstable-pod7.slice/x", True),
        ("**/kubepods-besteffort.slice", "/../../../kubepods-besteffort.slice/y/x", True),
        ("**/kubepods-pod*.slice", "/../../../kubepods-pod7.slice/x", True),
        ("**/kubepods.slice/kubepods-pod*.slice", "/../../../kubepods-pod7.slice/x", False),
        ("**/b", "/x/y/b/z", True),
        ("/x/**/b*", "/x/b1", True),
        ("/x/**/b*", "/y/b1", False),
        ("/a", "/a\n/b", False),
    ],
)
def test_paths_of_cgroups(pattern: str, path: str, matches: bool) -> None:
    assert Rules([rule(9, cgroup=pattern)]).decide(facts(cgroup=path)).own is matches


def test_a_child_that_no_rule_matches_has_its_parents_verdict() -> None:
    rules = Rules([rule(8, name="postgres")])
    parent = rules.decide(facts())
    child = rules.decide(facts("sh"), parent)
    assert child == RuleMatch(8, "name=postgres", own=False)
    assert str(child) == "name=postgres (inherited)"
    assert rules.decide(facts("sort"), child) == child
    assert str(parent) == "name=postgres"


def test_an_own_rule_beats_the_parents_also_to_exclude() -> None:
    rules = Rules([rule(8, name="postgres"), rule(0, name="^sh$")])
    match = rules.decide(facts("sh"), rules.decide(facts()))
    assert (match.excluded, match.own) == (True, True)


def test_execve_decides_again() -> None:
    rules = Rules([rule(8, name="postgres")])
    shell = rules.decide(facts("sh"))
    assert rules.decide(facts("sh"), shell).aggressiveness == 5
    assert rules.decide(facts("postgres"), shell).aggressiveness == 8
    assert rules.decide(facts("sh"), shell).aggressiveness == 5


def test_a_rule_without_conditions_is_the_default_and_comes_after_inheritance() -> None:
    rules = Rules([rule(0), rule(8, name="postgres")])
    assert rules.decide(facts("sh")) == RuleMatch(0, "default", own=False)
    assert rules.decide(facts("sh"), rules.decide(facts())).aggressiveness == 8


def test_an_old_default_is_not_inherited_into_a_new_one() -> None:
    before = Rules().decide(facts("init"))
    assert before == RuleMatch(5, "default", own=False)
    assert Rules([rule(2)]).decide(facts("sh"), before).aggressiveness == 2
    assert str(before) == "default"


@pytest.mark.parametrize("number", [-1, 11])
def test_aggressiveness_has_bounds(number: int) -> None:
    with pytest.raises(UsageError, match="not between 0 and 10: 0 never scans"):
        rule(number)


def test_a_relative_cgroup_is_refused() -> None:
    with pytest.raises(UsageError, match="does not begin with /"):
        rule(cgroup="system.slice")


conditions = st.fixed_dictionaries(
    {"aggressiveness": st.integers(0, 10)},
    optional={
        "name": st.sampled_from(["gres", "^sh$", "x"]),
        "pid": st.sampled_from([50, 51]),
        "uid": st.sampled_from([0, 26]),
        "cgroup": st.sampled_from(["/", "/system.slice", PG, "**/main", "/user.slice"]),
    },
)


@given(st.lists(conditions, max_size=8), st.permutations(range(8)))
def test_the_winner_matches_and_nothing_that_matches_is_more_specific(
    made: list[dict[str, Any]], order: list[int]
) -> None:
    rules = [rule(**each) for each in made]
    match = Rules(rules).decide(facts())
    matching = [r for r in rules if r.conditions and Rules([r]).decide(facts()).own]
    assert match.own is bool(matching)
    if matching:
        best = max(r.specificity for r in matching)
        last = [r for r in matching if r.specificity == best][-1]
        assert (match.aggressiveness, match.rule) == (last.aggressiveness, last.source)
    if len({r.specificity for r in rules}) == len(rules):  # no ties: their order says nothing
        shuffled = [rules[at] for at in order if at < len(rules)]
        assert Rules(shuffled).decide(facts()) == match


def test_a_long_name_is_matched_beside_the_kernels() -> None:
    program = ProcessFacts(Process(5, 1, "gnome-terminal-"), 1, 0, "/", "gnome-terminal-server")
    for pattern in ("terminal-server$", "^gnome-terminal-$"):
        assert Rules([rule(9, name=pattern)]).decide(program).own
    assert not Rules([rule(9, name="^server")]).decide(program).own
    assert not Rules([rule(9, name="^$")]).decide(facts("sh")).own
    long = replace(program, long_name="x" * 64 + "y")  # so that a match has its bound
    assert not Rules([rule(9, name="y$")]).decide(long).own
