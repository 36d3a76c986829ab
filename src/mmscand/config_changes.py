"""The changes of a reload, in words for a person."""

from collections.abc import Iterator

from mmscand.config import Config
from mmscand.scan.rules import DEFAULT_WORDS, Rule, Rules
from mmscand.settings import values_of
from mmscand.settings_store import Reloaded


def settings_changes(reloaded: Reloaded, config: Config) -> Iterator[str]:
    """Knobs that have another value now, and knobs that keep the value that was set at run time."""
    before, now, file = map(values_of, (reloaded.before, reloaded.settings, config.settings))
    for name, value in now.items():
        if before[name] != value:
            yield f"{name} {_word(before[name])} became {_word(value)}"
    for name in reloaded.at_run_time:
        yield (
            f"{name} stays {_word(now[name])}, as it was set at run time; the configuration says "
            f"{_word(file[name])}: `mmscand reset {name}` takes that"
        )
    yield from (*config.clamped, *reloaded.clamped)


def other_changes(old: Config, new: Config) -> Iterator[str]:
    """Rules that changed, and changes that need a restart."""
    yield from _rule_changes(old.rules, new.rules)
    yield from (doubt for doubt in new.doubts if doubt not in old.doubts)
    if (old.socket, old.group) != (new.socket, new.group):
        yield "socket and group change when mmscand is started again"
    if old.nodes != new.nodes:
        yield "fast and slow nodes change when mmscand is started again"


def _rule_changes(old: Rules, new: Rules) -> Iterator[str]:
    """By their conditions; of several with the same ones the last counts, as for a process."""
    before, now = _effects(old), _effects(new)
    for words, effect in before.items():
        if words not in now:
            yield f"rule {words} was removed, it had {effect}"
    for words, effect in now.items():
        if words not in before:
            yield f"rule {words} was added, with {effect}"
        elif before[words] != effect:
            yield f"rule {words}: {before[words]} became {effect}"
    if old != new and before == now:
        yield "rules are in another order: of equally specific ones the last counts"


def _effects(rules: Rules) -> dict[str, str]:
    named = {DEFAULT_WORDS: "without conditions"}
    return {named.get(rule.source, rule.source): _effect(rule) for rule in rules.rules}


def _effect(rule: Rule) -> str:
    unseen_use = " and unseen_use" if rule.unseen_use else ""
    return f"aggressiveness {rule.aggressiveness}{unseen_use}"


def _word(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
