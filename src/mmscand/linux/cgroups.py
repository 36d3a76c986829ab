"""How paths of cgroups look from here."""

from pathlib import Path
from typing import Literal


def cgroup_view(root: Path = Path("/proc")) -> Literal["whole", "namespace", "none"]:
    """See scan.doubts.CgroupView. A file that cannot be read counts as the usual view."""
    try:
        paths = [_path(root / pid / "cgroup") for pid in ("self", "1")]
    except OSError:
        return "whole"
    if paths[0] is None:
        return "none"
    return "namespace" if any(path and path.startswith(b"/..") for path in paths) else "whole"


def _path(file: Path) -> bytes | None:
    lines = file.read_bytes().split(b"\n")
    return next((line[3:] for line in lines if line.startswith(b"0::")), None)
