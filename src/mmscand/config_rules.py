"""The [[rule]] tables of a configuration."""

import pwd
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mmscand.config_file import TEXT_SCHEMA, Found, require_known, require_text
from mmscand.errors import UsageError
from mmscand.scan.pacing import DEFAULT_AGGRESSIVENESS
from mmscand.scan.patterns import name_pattern
from mmscand.scan.rules import MIN_AGGRESSIVENESS, Rule
from mmscand.shown import expected, quoted

_MOST_PID = 1 << 22
"""PID_MAX_LIMIT, include/linux/threads.h."""
_MOST_UID = (1 << 32) - 2
"""(uid_t)-1 means "no user" to the kernel, so no process has it (setuid(2))."""


def read_rules(found: Found, tables: object) -> Iterator[Rule]:
    """Those that make sense; of the others each mistake is found."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        with found.caught():
            raise UsageError("rule: is not a list of tables", hint="begin each with [[rule]]")
        return
    for number, table in enumerate(tables, 1):
        with found.caught(f"rule {number}"):
            yield _rule(table)


def _rule(table: Mapping[str, Any]) -> Rule:
    if not table:
        raise UsageError("is empty", hint="give a condition, or aggressiveness")
    found, values = Found(), dict[str, Any]()
    with found.caught():
        require_known(table, RULE_KEYS)
    for key, value in table.items():
        if key in RULE_KEYS:
            with found.caught(key):
                values[key] = RULE_KEYS[key].read(value)
    if {"exclude", "aggressiveness"} <= table.keys():
        with found.caught():
            hint = "exclude means aggressiveness 0, leave one of them out"
            raise UsageError("has exclude and aggressiveness", hint=hint)
    found.end()
    given = MIN_AGGRESSIVENESS if values.pop("exclude", False) else DEFAULT_AGGRESSIVENESS
    return Rule(values.pop("aggressiveness", given), **values)


def _number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(expected("a whole number", value))
        if not low <= value <= high:
            raise UsageError(f"{quoted(value)}: {low} to {high} is allowed")
        return value

    return read


def _user(value: object) -> int:
    if not isinstance(value, str):
        return _number(0, _MOST_UID)(value)
    try:
        return pwd.getpwnam(value).pw_uid
    except (KeyError, ValueError):  # ValueError: it has a NUL
        hint = "`getent passwd` lists users; a number stands without quotes"
        raise UsageError(f"no user {quoted(value)}", hint=hint) from None


def _text(value: object) -> str:
    require_text(value)
    return str(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(expected("true or false", value))
    return value


def _whole(low: int, high: int) -> Mapping[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


_TRUTH = {"type": "boolean"}


class RuleKey(NamedTuple):
    """One key of a rule."""

    read: Callable[[object], Any]
    """Its value; UsageError says why it is not allowed."""
    schema: Mapping[str, Any]
    """The same as far as JSON schema can say it."""
    help: str


RULE_KEYS: Mapping[str, RuleKey] = {
    "pid": RuleKey(
        _number(1, _MOST_PID), _whole(1, _MOST_PID), "Matches the process with this pid."
    ),
    "cgroup": RuleKey(
        _text,
        {**TEXT_SCHEMA, "pattern": "^(/|\\*\\*/)"},
        "Matches processes in this cgroup (v2, a path as in /proc/PID/cgroup) and in all cgroups "
        "below it. `*` and `?` stay inside one part of the path, `**` is any number of parts. The "
        "path begins with `/` or `**/`. On a machine that has only cgroup v1 no path matches.",
    ),
    "name": RuleKey(
        lambda value: name_pattern(_text(value)),
        TEXT_SCHEMA,
        "A Python regular expression. It matches if it is found anywhere in the name in "
        "/proc/PID/comm. The kernel cuts that name after 15 characters. If the name was cut, "
        "mmscand also searches the first 64 characters of the full name from the command line. "
        "mmscand refuses an expression that may take forever (`(a+)+`, five `*`).",
    ),
    "uid": RuleKey(
        _user,
        {"oneOf": [_whole(0, _MOST_UID), TEXT_SCHEMA]},
        "Holds for the effective user, by number or, in quotes, by name.",
    ),
    "aggressiveness": RuleKey(
        _number(0, 10),
        _whole(0, 10),
        "How often it is scanned: 0 never, 1 five times less often than usual, 5 as usual, 10 "
        "twice as often. With policy `capacity` values above 5 change nothing for a process of "
        "16 MiB or more: the policy says when it is visited.",
    ),
    "exclude": RuleKey(_truth, _TRUTH, "`true` is aggressiveness 0. No rule has both keys."),
    "unseen_use": RuleKey(
        _truth,
        _TRUTH,
        "`true`: mmscand scans the process although a KVM guest or a device (VFIO) accesses its "
        "memory, and its page tables do not show that. Pages in use may then look cold and be "
        "demoted.",
    ),
}
"""In the order of the reference page."""
