"""Sets of addresses and numbers, as arrays that are sorted or nearly so.

In place of `np.unique` and `np.isin`: these (numpy 2.4) hash 64-bit numbers at 100 to 700 ns each,
where a stable sort of sorted runs takes 1 ns, and load numpy.ma: 1.3 MiB of the daemon, and under
emulation 0.4 s of its first pass.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mmscand.model import BoolArray

Scalar = TypeVar("Scalar", bound=np.generic)


def distinct(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """(n,) values, ascending, each once."""
    ordered = np.sort(values, kind="stable")
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def among(values: npt.NDArray[Scalar], members: npt.NDArray[Scalar]) -> BoolArray:
    """(n,) which of the values (n,) are among the members (m,)."""
    if not len(members):
        return np.zeros(len(values), dtype=np.bool_)
    ordered = np.sort(members, kind="stable")
    place = np.searchsorted(ordered, values)
    found: BoolArray = ordered[np.minimum(place, len(ordered) - 1)] == values
    return found
