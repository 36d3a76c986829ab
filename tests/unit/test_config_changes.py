"""What a reload says that it changed."""

from mmscand.config import Config
from mmscand.config_changes import other_changes, settings_changes
from mmscand.scan.rules import Rule, Rules
from mmscand.settings import Settings
from mmscand.settings_store import Reloaded


def config(*rules: Rule, group: str | None = None) -> Config:
    return Config(Settings(), Rules(rules), group=group)


def test_a_rule_that_changed_is_named_with_what_it_was_and_is() -> None:
    old = config(Rule(3, cgroup="/a"), Rule(8, uid=5), Rule(0, pid=9), Rule(2))
    new = config(Rule(3, cgroup="/a"), Rule(4, uid=5), Rule(7, cgroup="/b"), Rule(2))
    assert sorted(other_changes(old, new)) == [
        "rule cgroup=/b was added, with aggressiveness 7",
        "rule pid=9 was removed, it had aggressiveness 0",
        "rule uid=5: aggressiveness 8 became aggressiveness 4",
    ]
    assert list(other_changes(new, new)) == []


def test_the_default_and_the_order_of_rules_are_reported() -> None:
    assert list(other_changes(config(Rule(2)), config(Rule(3)))) == [
        "rule without conditions: aggressiveness 2 became aggressiveness 3"
    ]
    one, other = Rule(3, cgroup="/a"), Rule(4, cgroup="/b")
    assert "another order" in next(other_changes(config(one, other), config(other, one)))


def test_all_that_a_rule_does_is_compared() -> None:
    one, other = Rule(5, pid=9), Rule(5, pid=9, unseen_use=True)
    assert list(other_changes(config(one), config(other))) == [
        "rule pid=9: aggressiveness 5 became aggressiveness 5 and unseen_use"
    ]


def test_what_a_reload_cannot_change_is_reported() -> None:
    assert list(other_changes(config(), config(group="adm"))) == [
        "socket and group change when mmscand is started again"
    ]


def test_knobs_are_reported_by_what_was_in_force() -> None:
    reloaded = Reloaded(Settings(hot_passes=4), Settings(scan_enabled=False), ("scan_enabled",), ())
    assert list(settings_changes(reloaded, config())) == [
        "scan_enabled on became off",
        "hot_passes 4 became 2",
        "scan_enabled stays off, as it was set at run time; the configuration says on: "
        "`mmscand reset scan_enabled` takes that",
    ]
