"""Slow memory that is slow: a QEMU plug-in, how it is compiled, and its settings and counters.

An experiment has a folder for it, which the host makes (`prepare`) and the guest's programs use.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mmscand_lab.building import build_library
from mmscand_lab.slowmem.control import SlowMemory, make_control
from mmscand_lab.slowmem.library import TouchLibrary
from mmscand_lab.spec import GuestSpec

_HERE = Path(__file__).resolve().parent
PLUGIN, LIBRARY = _HERE / "slowmem.c", _HERE / "touch.c"
_CONTROL, _COPY = "control", "touch.so"


def prepare(folder: Path, spec: GuestSpec) -> list[str] | None:
    """Make the folder; the options of QEMU, or None without a compiler. Raises LabError."""
    plugin, library = build_library(PLUGIN), build_library(LIBRARY)
    if plugin is None or library is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(library, folder / _COPY)  # the guest's own /var hides the cache
    make_control(folder / _CONTROL, spec)
    return ["-plugin", f"{plugin},control={(folder / _CONTROL).resolve()}"]


def control_of(folder: Path) -> SlowMemory:
    """Settings and counters of the plug-in that runs this guest."""
    return SlowMemory(folder / _CONTROL)


def library_of(folder: Path) -> TouchLibrary:
    """The library, loaded into this process."""
    return TouchLibrary(folder / _COPY)
