"""Debian's memcached, which is run from a folder and not installed: its package starts a service.

The host unpacks the package and those of its libraries into the cache, and copies them into the
folder of the results, as a guest does not see the host's cache. One that is installed is taken as
it is.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmscand_lab.apt import Apt
from mmscand_lab.kernel import LabError, default_cache, unpack_packages

_NAME = "memcached"
_DEPENDS = re.compile(r"^\s*Depends: (lib(?!c6\b)\S+)$", re.MULTILINE)
"""Libraries but for that of C, which each host has."""


@dataclass(frozen=True, slots=True)
class Memcached:
    """The program, and the environment that it needs beyond the usual."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def _below(tree: Path) -> Memcached:
    libraries = tree / "usr" / "lib" / "x86_64-linux-gnu"
    return Memcached(tree / "usr" / "bin" / _NAME, {"LD_LIBRARY_PATH": str(libraries)})


def memcached_program(cache: Path | None = None) -> Memcached:
    """The one that is installed, else that in the cache, downloaded if it is missing.

    In a guest the folder of the results takes the place of the cache. LabError where that fails.
    """
    if found := shutil.which(_NAME):
        return Memcached(Path(found))
    folder = default_cache() if cache is None else cache
    if not (tree := folder / _NAME).exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(tree)
    return _below(tree)


def _download(tree: Path) -> None:
    libraries = _DEPENDS.findall(Apt().depends(_NAME))
    # In the cache, so that the rename stays on one file system.
    with tempfile.TemporaryDirectory(dir=tree.parent, prefix=".unpack-") as scratch:
        try:
            unpack_packages([_NAME, *libraries], Path(scratch)).rename(tree)
        except (LabError, OSError) as error:
            if not tree.exists():  # else another run was faster
                hint = "apt-get update; or apt-get install --no-install-recommends memcached"
                raise LabError(f"this workload needs memcached: {error}", hint=hint) from None


def take_memcached(results: Path, cache: Path | None = None) -> None:
    """On the host: put one that is not installed where the guest sees it. LabError."""
    program = memcached_program(cache)
    if program.environment:
        tree = program.path.parents[2]
        shutil.rmtree(results / _NAME, ignore_errors=True)  # of an earlier contest in this folder
        shutil.copytree(tree, results / _NAME, symlinks=True)
