"""Which mappings are looked at at all (the RFC's VMA rules, kmmscand-rfc section 1.7)."""

import numpy as np

from mmscand.model import BoolArray, VmaFlag, VmaTable

_NEVER = VmaFlag.HUGETLB | VmaFlag.SPECIAL | VmaFlag.SHARED
"""hugetlb and device memory cannot be aged; shared memory stays accessed whatever we do."""
_ACCESSIBLE = VmaFlag.READ | VmaFlag.WRITE | VmaFlag.EXEC


def eligible(vmas: VmaTable) -> BoolArray:
    """Private memory that the process can touch, except read-only files (shared libraries)."""
    flags = vmas.flags
    able = (flags & _NEVER == 0) & (flags & _ACCESSIBLE != 0)
    read_only_file = (flags & VmaFlag.FILE != 0) & (flags & VmaFlag.WRITE == 0)
    result: BoolArray = np.logical_and(able, ~read_only_file)
    return result
