"""When pages of one process were moved last, as far back as there is room for."""

from collections import deque

import numpy as np

from mmscand.model import UIntArray

_MOST_SLOTS = 65_536
"""Half a MiB of addresses."""


class MovesLog:
    """Written by the scanner thread, read by any."""

    def __init__(self) -> None:
        self._batches: deque[tuple[float, bool, UIntArray]] = deque()
        self._slots = 0

    def note(self, addresses: UIntArray, now: float, *, demotes: bool) -> None:
        """These slots (n,), ascending, have moved."""
        if not len(addresses):
            return
        self._batches.append((now, demotes, addresses))
        self._slots += len(addresses)
        while self._slots > _MOST_SLOTS and len(self._batches) > 1:
            self._slots -= len(self._batches.popleft()[2])

    def last(self, address: int) -> tuple[float, bool] | None:
        """When the slot at this address moved last, and whether it was demoted; None: not known."""
        for at, demotes, addresses in reversed(list(self._batches)):
            place = int(np.searchsorted(addresses, np.uint64(address)))
            if place < len(addresses) and int(addresses[place]) == address:
                return at, demotes
        return None
