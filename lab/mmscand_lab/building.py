"""The plug-in and the workloads' library, compiled once into the cache.

Without a compiler there is neither, and both tiers are as fast as the host's memory.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from mmscand_lab.kernel import COMPILER_PACKAGES, LabError, default_cache

PLUGIN, LIBRARY = "slowmem", "touch"
_FLAGS = ("-O2", "-std=gnu11", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wno-unused-parameter")
_LIMIT_S = 60.0


def build(name: str, cache: Path | None = None) -> Path | None:
    """The shared object of NAME.c, compiled if it is missing; None without a compiler.

    Raises LabError where the compiler fails.
    """
    path = _place(name, default_cache() if cache is None else cache)
    if path.exists():
        return path
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        new = Path(scratch) / path.name
        _compile([compiler, *_FLAGS, "-o", str(new), str(_source(name))])
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
        hint = f"apt-get install --no-install-recommends {' '.join(COMPILER_PACKAGES)}"
        raise LabError(f"{argv[-1]} does not compile: {reason}", hint=hint)


def _source(name: str) -> Path:
    return Path(__file__).resolve().parent / f"{name}.c"


def _place(name: str, cache: Path) -> Path:
    # By its text: another version of the lab has another place.
    digest = hashlib.sha256(_source(name).read_bytes()).hexdigest()
    return cache / "slowmem" / f"{name}-{digest[:16]}.so"
