"""`mmscand lab run busy-server`: all at once that the daemon has to cope with, in one guest."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mmscand.cli.files import os_errors_named, require_writable, write_text
from mmscand.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mmscand_lab.busy_result import BusyResult


def run_and_judge(json_file: Path | None, picture: Path | None, results: Path | None) -> None:
    """Run it, print the table; LabError when anything falls short."""
    from rich.console import Console  # noqa: PLC0415

    if picture is not None:
        raise UsageError("this scenario draws no picture", hint="leave --picture out")
    folder, console = results or Path("out") / "busy-server", Console()
    with os_errors_named(folder):
        for path in (folder / "any", *filter(None, [json_file])):
            require_writable(path)
        found = _found(console, folder, json_file)
    _report(console, found, folder)


def _found(console: "Console", folder: Path, json_file: Path | None) -> "BusyResult":
    from mmscand_lab.busy_experiment import run_busy_server  # noqa: PLC0415
    from mmscand_lab.busy_result import as_json  # noqa: PLC0415
    from mmscand_lab.programs import as_shipped  # noqa: PLC0415
    from mmscand_lab.screen import progress_shown  # noqa: PLC0415

    with progress_shown(console) as progress:
        found = run_busy_server(folder, as_shipped(), progress=progress)
    if json_file is not None:
        write_text(json_file, json.dumps(as_json(found), indent=2))
    return found


def _report(console: "Console", found: "BusyResult", folder: Path) -> None:
    from mmscand_lab.busy_result import rows  # noqa: PLC0415
    from mmscand_lab.kernel import LabError  # noqa: PLC0415
    from mmscand_lab.scenario import BUSY_SERVER, BUSY_SERVER_SUMMARY  # noqa: PLC0415
    from mmscand_lab.screen import verdict_table  # noqa: PLC0415

    table = rows(found)
    console.print(verdict_table(f"{BUSY_SERVER}: {BUSY_SERVER_SUMMARY}", table))
    print(f"recordings: {folder}")
    short = [row.figure for row in table if row.ok is False]
    if short:
        raise LabError(
            f"short of what was promised: {'; '.join(short)}",
            hint=f"the daemon's events are in {folder}",
        )
