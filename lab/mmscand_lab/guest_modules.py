"""Modules of its kernel for a guest: the host brings their files, the guest loads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from mmscand_lab.kernel import GuestKernel, LabError, module_files

_FOLDER = "modules-{}"
"""Of a module, in the guest's files: what it needs and itself, numbered in the order of loading."""


def bring_module(kernel: GuestKernel, name: str, files: Path) -> None:
    """Into the folder of the guest's files: its own /var hides where they are. LabError."""
    folder = files / _FOLDER.format(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, file in enumerate(module_files(kernel, name)):
        shutil.copy(file, folder / f"{number}-{file.name}")


def load_module(name: str, files: Path, *parameters: str) -> None:
    """Load what was brought; `parameters` are NAME=VALUE of the module itself. LabError."""
    brought = sorted((files / _FOLDER.format(name)).iterdir())
    for file in brought:
        argv = ["insmod", str(file), *(parameters if file == brought[-1] else ())]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{file.name} does not load: {done.stderr.strip()}", hint="see dmesg")
