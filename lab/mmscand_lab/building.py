"""The lab's parts in C, compiled once into the cache; None of them without a compiler."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from mmscand_lab.kernel import COMPILER_PACKAGES, LabError, default_cache

INSTALL = f"apt-get install --no-install-recommends {' '.join(COMPILER_PACKAGES)}"
"""What to do where there is no compiler."""
_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter")
_LIBRARY, _PROGRAM = ("-shared", "-fPIC"), ("-static",)
_LIMIT_S = 60.0


def build_library(source: Path, cache: Path | None = None) -> Path | None:
    """The shared object of a file in C, compiled if it is missing; None without a compiler.

    Raises LabError where the compiler fails.
    """
    return _build(source, ".so", _LIBRARY, cache)


def build_program(source: Path, cache: Path | None = None) -> Path | None:
    """The same for a program. It is static: it needs no file but itself."""
    return _build(source, "", _PROGRAM, cache)


def _build(source: Path, suffix: str, flags: tuple[str, ...], cache: Path | None) -> Path | None:
    # By its text: another version of the lab has another place.
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    folder = (default_cache() if cache is None else cache) / "built"
    path = folder / f"{source.stem}-{digest}{suffix}"
    if path.exists():
        return path
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        new = Path(scratch) / path.name
        _compile([compiler, *_FLAGS, *flags, "-o", str(new), str(source)])
        new.replace(path)
    return path


def _compile(argv: list[str]) -> None:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S, check=False
        )
        words = "" if done.returncode == 0 else done.stderr.strip() or "no message"
    except (OSError, subprocess.TimeoutExpired) as error:
        words = str(error)
    if words:
        reason = next((line for line in words.splitlines() if "error" in line), words)
        raise LabError(f"{argv[-1]} does not compile: {reason}", hint=INSTALL)
