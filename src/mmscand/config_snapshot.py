"""The configuration of a daemon as an object of the control socket, and what a reload would change.

The daemon sends what it has, and the client reads the file: a member of the socket's group cannot
have the daemon, which is root, read a file that only root may read.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmscand.config import Config, Source, load_config
from mmscand.config_changes import other_changes, settings_changes
from mmscand.config_socket import DEFAULT_FILE
from mmscand.node_lists import NamedNodes
from mmscand.scan.doubts import CgroupView
from mmscand.scan.rules import Rule, Rules
from mmscand.settings import Settings, changed, values_of
from mmscand.settings_store import SettingsStore

Json = dict[str, Any]
_OF_A_RULE = ("pid", "cgroup", "uid", "aggressiveness", "unseen_use", "source")
"""What a rule has beside its pattern of names, which is text here."""


def config_object(config: Config, settings: SettingsStore) -> Json:
    """Where a configuration came from, and all of it that a reload compares with a new one.

    `file`, `hash`, `assignments`, `given_socket` and `given_nodes` are of config.Source; `settings`
    has each knob as the file and the command line have it, `at_run_time` those that were set since;
    `doubts` are warnings that were given already.
    """
    source = config.source
    return {
        "file": str(source.file),
        "hash": source.digest,
        "assignments": list(source.assignments),
        "given_socket": None if source.socket is None else str(source.socket),
        "given_nodes": _nodes_object(source.nodes),
        "generation": settings.generation,
        "settings": values_of(settings.initial),
        "at_run_time": dict(settings.at_run_time),
        "rules": [_rule_object(rule) for rule in config.rules.rules],
        "socket": str(config.socket),
        "group": config.group,
        "nodes": _nodes_object(config.nodes),
        "doubts": list(config.doubts),
    }


def _nodes_object(nodes: NamedNodes) -> Json:
    sides = {"fast": nodes.fast, "slow": nodes.slow}
    return {key: None if side is None else sorted(side) for key, side in sides.items()}


def _rule_object(rule: Rule) -> Json:
    name = None if rule.name is None else rule.name.pattern
    return {"name": name, **{key: getattr(rule, key) for key in _OF_A_RULE}}


def preview(answer: Mapping[str, Any], file: Path | None, cgroups: CgroupView) -> Iterator[str]:
    """What a reload of `file` would change, in the words of the reload.

    `answer` is a config_object; without a file, it is the one of the daemon. UsageError has all
    mistakes in it, also knobs that do not fit those that were set at run time.
    """
    old = _config(answer)
    source, store = old.source, SettingsStore(old.settings)
    store.change(answer["at_run_time"])
    # The default file need not be there, and a daemon that reads it again accepts that.
    named = file or (None if source.file == DEFAULT_FILE else source.file)
    new = load_config(
        named, source.assignments, socket=source.socket, nodes=source.nodes, cgroups=cgroups
    )
    yield from settings_changes(store.replace_initial(new.settings), new)
    yield from other_changes(old, new)


def _config(answer: Mapping[str, Any]) -> Config:
    given = answer["given_socket"]
    source = Source(
        Path(answer["file"]),
        answer["hash"],
        tuple(answer["assignments"]),
        None if given is None else Path(given),
        _nodes(answer["given_nodes"]),
    )
    return Config(
        changed(Settings(), answer["settings"]).settings,
        Rules(map(_rule, answer["rules"])),
        Path(answer["socket"]),
        answer["group"],
        _nodes(answer["nodes"]),
        doubts=tuple(answer["doubts"]),
        source=source,
    )


def _nodes(answer: Mapping[str, Any]) -> NamedNodes:
    sides = {key: frozenset(side) for key, side in answer.items() if side is not None}
    return NamedNodes(**sides)


def _rule(answer: Mapping[str, Any]) -> Rule:
    name = answer["name"]
    return Rule(
        name=None if name is None else re.compile(name),
        **{key: answer[key] for key in _OF_A_RULE},
    )
