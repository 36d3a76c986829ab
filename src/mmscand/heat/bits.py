"""How many bits are set, of each number in an array."""

from typing import Any

import numpy as np

from mmscand.model import ByteArray

_OF_A_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1, dtype=np.uint8)


def ones_by_table(numbers: "np.ndarray[Any, Any]") -> ByteArray:
    """As `bit_count`, where numpy is older than 2.0."""
    parts = np.ascontiguousarray(numbers)[..., None].view(np.uint8)
    counts: ByteArray = _OF_A_BYTE[parts].sum(axis=-1, dtype=np.uint8)
    return counts


bit_count: Any = getattr(np, "bitwise_count", ones_by_table)
"""Unsigned numbers of any shape and size; counts of the same shape, as uint8.

Debian 12 and Ubuntu 24.04 have numpy 1.24 and 1.26. A heat map of 64 GiB takes three times as long
by the table.
"""
