"""Files that a command writes: one line when that is not possible, and before the work."""

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


def write_text(path: Path, text: str) -> None:
    """A whole file; MmscandError names it when that cannot be."""
    with os_errors_named(path):
        path.write_text(text + "\n", encoding="utf-8")


@contextmanager
def os_errors_named(path: Path) -> Iterator[None]:
    """A full disk or a folder that cannot be made is one line; a full disk does not say which."""
    try:
        yield
    except OSError as error:
        raise MmscandError(
            # An OSError that is not the kernel's (shutil's) has no strerror.
            f"cannot write {error.filename or path}: {error.strerror or error}",
            hint="free some room, or choose another path",
        ) from None
