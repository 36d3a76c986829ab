"""Rules that are allowed, but never match or never decide."""

from collections.abc import Iterator
from typing import Literal

from mmscand.scan.patterns import LONGEST_NAME, path_parts, shortest_match
from mmscand.scan.rules import Rule

CgroupView = Literal["whole", "namespace", "none"]
"""Of /proc/PID/cgroup: whole paths of v2, paths of a namespace, or no path (v1 alone)."""


def doubts(rules: tuple[Rule, ...], view: CgroupView) -> Iterator[str]:
    """In words, each with the rule's number."""
    seen: dict[tuple[object, ...], int] = {}
    for number, rule in enumerate(rules, 1):
        words = f"rule {number} ({rule.source})"
        conditions = (rule.name, rule.pid, rule.uid, rule.cgroup)
        if before := seen.get(conditions):
            yield f"{words} has the same conditions as rule {before}: that one never decides"
        seen[conditions] = number
        if rule.name is not None and (least := shortest_match(rule.name)) > LONGEST_NAME:
            yield (
                f"{words} never matches: it asks for {least} characters, and {LONGEST_NAME} of a "
                "name are looked at"
            )
        if rule.unseen_use:
            yield f"{words} {_unseen_doubt(rule)}"
        if rule.cgroup is not None and (why := _cgroup_doubt(rule.cgroup, view)):
            yield f"{words} {why}"


def _unseen_doubt(rule: Rule) -> str:
    if not rule.conditions:
        return "has no condition, so that its unseen_use has no effect: name the processes"
    return (
        "has memory scanned that guests or devices use unseen: pages in use may look cold there, "
        "and be demoted"
    )


_PODS = "kubepods.slice"
_SHARED_PARENT = (
    f"matches no pod if our own is in {_PODS} too: the kernel writes /.. for a parent that two "
    "cgroups share; name the part below it"
)


def _cgroup_doubt(cgroup: str, view: CgroupView) -> str:
    parts = path_parts(cgroup)
    if not parts or view == "whole":
        return ""
    if view == "none":
        return "never matches: this machine has no cgroup v2, so that no process has a path"
    if parts[0] in ("**", ".."):
        return _SHARED_PARENT if view == "namespace" and _PODS in parts else ""
    return (
        "matches no process outside our cgroup namespace: their paths begin with /.. here; "
        "a path that begins with **/ finds them"
    )
