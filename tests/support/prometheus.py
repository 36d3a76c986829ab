"""Prometheus' programs, where script/test has put them or the machine has them."""

import os
import shutil
import sys
from pathlib import Path


def program(name: str) -> str | None:
    """Its path; None where it is not there."""
    folder = str(Path(sys.executable).parent)
    return shutil.which(name, path=os.pathsep.join((folder, os.environ.get("PATH", ""))))
