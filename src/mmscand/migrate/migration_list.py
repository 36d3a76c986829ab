"""What waits to be promoted: bounded, each page once, processes served in turn."""

import threading
from collections import deque

import numpy as np

from mmscand.clock import Clock
from mmscand.model import Process, Promotion, UIntArray


class _Waiting:
    """The entries of one process: promotions in their order, and all addresses for look-ups."""

    def __init__(self) -> None:
        self.promotions: deque[Promotion] = deque()
        self.addresses: UIntArray = np.empty(0, dtype=np.uint64)
        """Sorted: queued, and handed out but not yet done."""

    def remove(self, addresses: UIntArray) -> None:
        self.addresses = np.setdiff1d(self.addresses, addresses, assume_unique=True)


class MigrationList:
    """Filled by the scanner, emptied by the migrator; all methods are safe from any thread."""

    def __init__(self, slots: int) -> None:
        self._limit = slots
        self._waiting: dict[Process, _Waiting] = {}
        self._turn: deque[Process] = deque()
        """Processes with queued promotions, the next to be served first."""
        self._slots = 0
        self._changed = threading.Condition()
        self._closed = False

    def offer(self, promotion: Promotion) -> UIntArray:
        """Queue what is new and fits; the addresses of the slots that are on the list now.

        The rest is refused, which is the scanner's sign to slow down: it will be hot again.
        """
        with self._changed:
            waiting = self._waiting.setdefault(promotion.process, _Waiting())
            already = np.isin(promotion.addresses, waiting.addresses, assume_unique=True)
            new = promotion.addresses[~already][: max(0, self._limit - self._slots)]
            if len(new) and not self._closed:
                waiting.addresses = np.union1d(waiting.addresses, new)
                if not waiting.promotions:
                    self._turn.append(promotion.process)
                waiting.promotions.append(
                    Promotion(promotion.process, new, promotion.pages_per_slot, promotion.source)
                )
                self._slots += len(new)
                self._changed.notify_all()
            return np.union1d(promotion.addresses[already], new)

    def take(self, pages: int, clock: Clock) -> Promotion | None:
        """The next process' oldest entries, at most `pages` (but one slot); None once closed.

        Blocks while the list is empty. What was taken stays on the list until `done`.
        """
        with self._changed:
            while not self._turn and not self._closed:
                clock.wait(self._changed, None)
            if self._closed:
                return None
            process = self._turn.popleft()
            promotions = self._waiting[process].promotions
            batch, rest = _split(promotions.popleft(), pages)
            if rest is not None:
                promotions.appendleft(rest)
            if promotions:
                self._turn.append(process)
            return batch

    def done(self, promotion: Promotion) -> None:
        """Strike off what was taken: from now on it may be offered again."""
        with self._changed:
            waiting = self._waiting.get(promotion.process)
            if waiting is None:
                return  # dropped meanwhile, with all its slots
            before = len(waiting.addresses)
            waiting.remove(promotion.addresses)
            self._slots -= before - len(waiting.addresses)
            if not len(waiting.addresses):
                del self._waiting[promotion.process]

    def drop(self, process: Process) -> None:
        """Strike off everything of a process, and nothing else."""
        with self._changed:
            waiting = self._waiting.pop(process, None)
            if waiting is not None:
                self._slots -= len(waiting.addresses)
                if waiting.promotions:
                    self._turn.remove(process)

    def close(self) -> None:
        """Refuse offers and let every `take` return None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        """Slots on the list, those handed out included."""
        return self._slots


def _split(promotion: Promotion, pages: int) -> tuple[Promotion, Promotion | None]:
    slots = max(1, pages // promotion.pages_per_slot)
    head, tail = promotion.addresses[:slots], promotion.addresses[slots:]

    def part(addresses: UIntArray) -> Promotion:
        return Promotion(promotion.process, addresses, promotion.pages_per_slot, promotion.source)

    return part(head), part(tail) if len(tail) else None
