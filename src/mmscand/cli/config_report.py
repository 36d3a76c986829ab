"""What `mmscand config check` and `mmscand check --config` print of a file."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mmscand.cli.wiring import NodeOptions
from mmscand.config import Config, load_config
from mmscand.errors import MachineCannot, NoSuchNode, UsageError
from mmscand.linux.cgroups import cgroup_view
from mmscand.policy.target import require_target
from mmscand.shown import json_text, shown


def config_report(file: Path, *, as_json: bool) -> str:
    """Warnings of a file; UsageError has all its mistakes, also as JSON on standard output."""
    try:
        config = load_config(file, cgroups=cgroup_view())
        doubts = [*config.doubts, *_compared_with_nodes(config)]
    except UsageError as error:
        if as_json:
            print(json_text({"file": str(file), "mistakes": error.lines, "warnings": []}))
        raise
    warnings = [*config.clamped, *doubts]
    if as_json:
        return json_text({"file": str(file), "mistakes": [], "warnings": warnings})
    head = f"{file} is a configuration, with {len(config.rules.rules)} rules"
    return "\n".join(map(shown, (head, *(f"warning: {each}" for each in warnings))))


def _compared_with_nodes(config: Config) -> Iterator[str]:
    """Warnings; UsageError of a target that cannot be one. Nothing, where there are no nodes."""
    with suppress(MachineCannot):
        try:
            require_target(NodeOptions(config.nodes).topology(), config.settings.target_node)
        except NoSuchNode as error:
            yield f"nodes: {error}; as a service mmscand waits for it"
