"""What an operator sees of the daemon: mmscand's own commands, run beside it in the guest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mmscand_lab.kernel import LabError

_VIEWS = {
    "heat.txt": ("heat", "--seconds", "5", "--color", "none"),
    "size.txt": ("size",),
}
"""File, and the command whose output it has. A look a second is as often as the daemon visits."""


def write_views(pid: int, folder: Path, *options: str) -> None:
    """Write the heat map and the sizing curve of a process that is watched into the folder.

    `options` of all commands. Raises LabError with the last words of a command that fails.
    """
    for name, (command, *own) in _VIEWS.items():
        argv = [sys.executable, "-m", "mmscand", command, str(pid), *own, *options]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise LabError(f"`mmscand {command}` failed: {reason}", hint="see the daemon's events")
        (folder / name).write_text(done.stdout, encoding="utf-8")


def read_views(folder: Path) -> str:
    """What was written there, one below the other; empty where nothing was."""
    texts = [folder / name for name in _VIEWS]
    return "\n".join(path.read_text(encoding="utf-8") for path in texts if path.is_file())


def remove_views(folder: Path) -> None:
    """Of an earlier run: they would be taken for this one's."""
    for name in _VIEWS:
        (folder / name).unlink(missing_ok=True)
