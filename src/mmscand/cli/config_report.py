"""What `mmscand config check` and `mmscand check --config` print of a file."""

from contextlib import suppress
from pathlib import Path

from mmscand.cli.wiring import NodeOptions
from mmscand.config import load_config
from mmscand.errors import MachineCannot, UsageError
from mmscand.linux.cgroups import cgroup_view
from mmscand.policy.target import require_target
from mmscand.shown import json_text, shown


def config_report(file: Path, *, as_json: bool) -> str:
    """Warnings of a file; UsageError has all its mistakes, also as JSON on standard output."""
    try:
        config = load_config(file, cgroups=cgroup_view())
        with suppress(MachineCannot):  # no nodes to compare with
            require_target(NodeOptions().topology(), config.settings.target_node)
    except UsageError as error:
        if as_json:
            print(json_text({"file": str(file), "mistakes": error.lines, "warnings": []}))
        raise
    warnings = [*config.clamped, *config.doubts]
    if as_json:
        return json_text({"file": str(file), "mistakes": [], "warnings": warnings})
    head = f"{file} is a configuration, with {len(config.rules.rules)} rules"
    return "\n".join(map(shown, (head, *(f"warning: {each}" for each in warnings))))
