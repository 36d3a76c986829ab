"""`mmscand replay`: a policy over a recording."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from mmscand.cli.files import require_writable, write_text
from mmscand.cli.names import require_known
from mmscand.cli.options import PATH
from mmscand.cli.table import table
from mmscand.errors import UsageError
from mmscand.settings import PolicyName
from mmscand.shown import json_text

if TYPE_CHECKING:
    from mmscand.record.replay import Replayed


@click.command("replay")
@click.argument("file", type=PATH)
@click.option("--policy", default="capacity", help="Which policy decides.")
@click.option(
    "--ratio", default="1:8", help="Size of the fast tier to the slow one, with all pages in both."
)
@click.option("--json", "json_file", type=PATH, help="Also write the figures here, pass by pass.")
def replay_(file: Path, policy: str, ratio: str, json_file: Path | None) -> None:
    """Say what share of the recorded accesses a policy would have had on the fast tier.

    FILE is what `mmscand record` wrote. Needs no root. An access is a page in a pass that
    found it accessed.
    """
    from mmscand.record.file import Recording  # noqa: PLC0415
    from mmscand.record.replay import replay  # noqa: PLC0415

    require_known("policy", policy, get_args(PolicyName))
    if json_file is not None:
        require_writable(json_file)
    found = replay(Recording(file), policy, _ratio(ratio))
    if json_file is not None:
        write_text(json_file, json_text({"file": str(file), "ratio": ratio, **asdict(found)}))
    print(_shown(found))


def _ratio(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,5}):([1-9]\d{0,5})", text)
    if match is None:
        raise UsageError(f"--ratio {text!r} is no ratio", hint="write it like 1:8")
    return int(match[1]), int(match[2])


def _shown(found: "Replayed") -> str:
    rows = [
        [name, *map(_percent, (found.warming.get(name), found.steady.get(name), share))]
        for name, share in sorted(found.hit_share.items())
    ]
    steady = found.passes - found.warm_up
    header = ["PLACEMENT", f"WARM-UP, {found.warm_up} passes", f"THEN, {steady} passes", "ALL"]
    cut = "; the recording was cut after them" if found.cut else ""
    return (
        f"{found.passes} passes{cut}, {found.pages} pages of which {found.fast_pages} fit the "
        f"fast tier, {found.accesses} accesses\n"
        f"{found.policy}: {found.decisions} decisions, {found.promoted} pages promoted, "
        f"{found.demoted} demoted\n\nshare of accesses on the fast tier\n" + table(header, rows)
    )


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}"
