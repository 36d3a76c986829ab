"""Knobs and rules, from the tables that read them."""

from collections.abc import Iterator

from mmscand.config_rules import RULE_KEYS
from mmscand.knobs import Knob, KnobValue
from mmscand.scan.pacing import DEFAULT_AGGRESSIVENESS
from mmscand.settings import KNOBS
from mmscand_reference.text import code, table


def knobs() -> Iterator[str]:
    """The page of all knobs."""
    yield "# Knobs\n"
    yield (
        "`mmscand get --defaults` prints the same table; `mmscand get` has the values in force of "
        "the daemon that runs. How to set them: [configuration](configuration.md#knobs).\n"
    )
    yield from table(
        ("knob", "unit", "default", "bounds", "meaning, and the reason for the number"),
        map(_knob, KNOBS.values()),
    )


def _knob(knob: Knob) -> tuple[str, ...]:
    bounds = knob.allowed.replace("|", ", ")
    return code(knob.name), knob.unit, code(written(knob.default)), bounds, knob.description


def written(value: KnobValue) -> str:
    """As a TOML file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def rules() -> Iterator[str]:
    """The page of the keys of rules."""
    yield "# Rules\n"
    yield (
        "`[[rule]]` tables in `/etc/mmscand.toml` say which processes are scanned, and how hard. "
        "A rule matches a process if all its conditions hold. If several rules match, only the "
        "most specific one decides. Examples, and the order of rules: "
        "[Choose processes](../how-to/choose-processes.md).\n"
    )
    yield from table(
        ("key", "meaning"), ((code(name), key.help) for name, key in RULE_KEYS.items())
    )
    usual = DEFAULT_AGGRESSIVENESS
    yield (
        f"A rule without `aggressiveness` and `exclude` has aggressiveness {usual}. Of conditions "
        "`pid` is the strongest, then `cgroup` (the longer path), `name`, `uid`; of equal ones the "
        "rule with more conditions decides, and then the later one. A process that no rule matches "
        "has the rule of its parent. A rule without conditions is the default for all others; "
        "`unseen_use` has no effect in it. `mmscand config check FILE` finds mistakes, "
        "`mmscand reload` loads the file."
    )
