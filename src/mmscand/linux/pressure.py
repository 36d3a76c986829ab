"""Pressure stall information of memory (Documentation/accounting/psi.rst)."""

import re
from collections.abc import Mapping
from pathlib import Path

_FILE = Path("/proc/pressure/memory")
_LINE = re.compile(rb"^(some|full) avg10=(\d+(?:\.\d+)?) ", re.MULTILINE)


def memory_pressure(file: Path = _FILE) -> Mapping[str, float]:
    """Percent of the last ten seconds, `some` and `full`; empty where the kernel has no PSI, or it
    is switched off (psi=0: EOPNOTSUPP).
    """
    try:
        found = _LINE.findall(file.read_bytes())
    except OSError:
        return {}
    return {name.decode(): min(100.0, float(percent)) for name, percent in found}
