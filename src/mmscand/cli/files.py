"""Files that a command writes: told in one line when that cannot be, and before the work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmscand.errors import MmscandError, UsageError


def require_writable(path: Path) -> None:
    """UsageError when no file can be written at that path; its folder is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", hint="choose another path"
        ) from None
    target = path if path.exists() else path.parent
    if path.is_dir() or not os.access(target, os.W_OK):
        raise UsageError(f"cannot write {path}", hint="choose another path")


@contextmanager
def os_errors_told() -> Iterator[None]:
    """A full disk or a folder that cannot be made is one line too."""
    try:
        yield
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise MmscandError(f"{error.strerror}{where}", hint="free or choose another path") from None
