"""What waits to be moved: bounded, each page once, processes served in turn.

Demotions come first where a fast node is short of free memory. Else they wait until promotions have
taken it: those may fail, and nobody is demoted for a page that cannot move.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mmscand.clock import Clock
from mmscand.model import BoolArray, Migration, Process, UIntArray
from mmscand.sets import among

_LOOK_AGAIN_S = 1.0
"""Where only demotions are left, and no node is short of memory: others may take it too."""


class _Waiting:
    """The entries of one process: migrations in their order, and all addresses for look-ups."""

    def __init__(self) -> None:
        self.migrations: deque[Migration] = deque()
        """Demotions first, the coldest of them, then the hottest; of the same heat the oldest."""
        self.handed_out: list[Migration] = []
        self.addresses: UIntArray = np.empty(0, dtype=np.uint64)
        """Sorted: queued, and handed out but not yet done."""

    def holds(self, addresses: UIntArray) -> BoolArray:
        """Which of these are on the list."""
        at = np.searchsorted(self.addresses, addresses)
        found = at < len(self.addresses)
        found[found] = self.addresses[at[found]] == addresses[found]
        return found

    def add(self, migration: Migration) -> None:
        """Queue slots that are not on the list yet."""
        at = np.searchsorted(self.addresses, migration.addresses)
        self.addresses = np.insert(self.addresses, at, migration.addresses)
        colder = next(
            (n for n, other in enumerate(self.migrations) if _urgency(other) < _urgency(migration)),
            len(self.migrations),
        )
        self.migrations.insert(colder, migration)

    def withdraw(self, addresses: UIntArray) -> int:
        """Take these off again where they are queued; how many were."""
        parts = [(p, ~among(p.addresses, addresses)) for p in self.migrations]
        gone = [p.addresses[~stays] for p, stays in parts]
        self.migrations = deque(_part(p, p.addresses[s]) for p, s in parts if s.any())
        withdrawn = np.concatenate([np.empty(0, dtype=np.uint64), *gone])
        self.addresses = self.addresses[~among(self.addresses, withdrawn)]
        return len(withdrawn)

    def first(self, enough: frozenset[int]) -> int | None:
        """Which migration is next; demotions from nodes with `enough` free memory are not."""
        return next(
            (n for n, m in enumerate(self.migrations) if not (m.demotes and m.source in enough)),
            None,
        )

    def hand_out(self, number: int, pages: int) -> Migration:
        """The begin of the migration of that number, at most `pages` but one slot."""
        batch, rest = _split(self.migrations[number], pages)
        if rest is None:
            del self.migrations[number]
        else:
            self.migrations[number] = rest
        self.handed_out.append(batch)
        return batch

    def strike_off(self, migration: Migration) -> bool:
        """Remove what was handed out; False if it was not by us, but before a drop."""
        for at, handed_out in enumerate(self.handed_out):
            if handed_out is migration:
                del self.handed_out[at]
                gone = np.searchsorted(self.addresses, migration.addresses)
                self.addresses = np.delete(self.addresses, gone)
                return True
        return False


class MigrationList:
    """Filled by the scanner, emptied by the migrator; all methods are safe from any thread."""

    def __init__(self, slots: int) -> None:
        self._limit = slots
        self._waiting: dict[Process, _Waiting] = {}
        self._turn: deque[Process] = deque()
        """Processes with queued migrations, the next to be served first."""
        self._slots = 0
        self._changed = threading.Condition()
        self._closed = False

    def offer(self, migration: Migration) -> UIntArray:
        """Queue what is new and fits; the addresses of the slots that are on the list now.

        The rest is refused, which is the scanner's sign to slow down: it will be hot again.
        """
        with self._changed:
            process = migration.process
            waiting = self._waiting.get(process) or _Waiting()
            on_list = waiting.holds(migration.addresses)
            room = 0 if self._closed else max(0, self._limit - self._slots)
            new = np.flatnonzero(~on_list)[:room]
            if len(new):
                self._waiting[process] = waiting
                if not waiting.migrations:
                    self._turn.append(process)
                waiting.add(_part(migration, migration.addresses[new]))
                self._slots += len(new)
                self._changed.notify_all()
            on_list[new] = True
            return migration.addresses[on_list]

    def on_list(self, process: Process, start: int, end: int) -> UIntArray:
        """Addresses of a process in a range that are queued or handed out, ascending."""
        waiting = self._waiting.get(process)
        if waiting is None:
            return np.empty(0, dtype=np.uint64)
        addresses = waiting.addresses
        first, last = np.searchsorted(addresses, np.array([start, end], dtype=np.uint64))
        return addresses[first:last]

    def withdraw(self, process: Process, addresses: UIntArray) -> int:
        """Strike off what is queued of these, not what was handed out; how many slots it was."""
        with self._changed:
            waiting = self._waiting.get(process)
            if waiting is None or not waiting.migrations:
                return 0
            withdrawn = waiting.withdraw(addresses)
            self._slots -= withdrawn
            if not waiting.migrations:
                self._turn.remove(process)
            if not len(waiting.addresses):
                del self._waiting[process]
            return withdrawn

    def resize(self, slots: int) -> None:
        """Another bound from now on; what is on the list already stays."""
        with self._changed:
            self._limit = slots

    def wake(self) -> None:
        """Let a `take` that waits for its time ask for it again."""
        with self._changed:
            self._changed.notify_all()

    def take(
        self,
        pages: int,
        clock: Clock,
        not_before: Callable[[], float] = lambda: 0.0,
        enough: Callable[[], frozenset[int]] = frozenset,
    ) -> Migration | None:
        """The next process' hottest entries, at most `pages` (but one slot); None once closed.

        Demotions from the nodes that have `enough` free memory wait. Blocks while nothing else is
        on the list, and until clock time `not_before`. What was taken stays on the list until
        `done`.
        """
        while True:
            nodes = enough()  # it reads files: without the lock
            with self._changed:
                if self._closed:
                    return None
                early_s = not_before() - clock.now()
                if (batch := self.ready(pages, early_s, nodes)) is not None:
                    return batch
                clock.wait(self._changed, self._pause_s(early_s))

    def ready(self, pages: int, early_s: float, enough: frozenset[int]) -> Migration | None:
        """The same without waiting: None where nothing may go now, or in `early_s` seconds."""
        with self._changed:
            process = None if early_s > 0 else self._next(enough)
            return None if process is None else self._hand_out(process, enough, pages)

    def _pause_s(self, early_s: float) -> float | None:
        if not self._turn:
            return None
        return early_s if early_s > 0 else _LOOK_AGAIN_S

    def _hand_out(self, process: Process, enough: frozenset[int], pages: int) -> Migration:
        waiting = self._waiting[process]
        batch = waiting.hand_out(waiting.first(enough) or 0, pages)
        self._turn.remove(process)
        if waiting.migrations:
            self._turn.append(process)
        return batch

    def _next(self, enough: frozenset[int]) -> Process | None:
        """By turns; before all others a process whose demotions make the room that is missing."""
        firsts = {process: self._waiting[process].first(enough) for process in self._turn}
        able = [process for process, number in firsts.items() if number is not None]
        demoting = (p for p in able if self._waiting[p].migrations[firsts[p] or 0].demotes)
        return next(demoting, able[0] if able else None)

    def done(self, migration: Migration) -> None:
        """Strike off what was taken: from now on it may be offered again."""
        with self._changed:
            waiting = self._waiting.get(migration.process)
            if waiting is None or not waiting.strike_off(migration):
                return  # dropped meanwhile, with all its slots
            self._slots -= len(migration.addresses)
            if not len(waiting.addresses):
                del self._waiting[migration.process]

    def drop(self, process: Process) -> None:
        """Strike off everything of a process, and nothing else."""
        with self._changed:
            waiting = self._waiting.pop(process, None)
            if waiting is not None:
                self._slots -= len(waiting.addresses)
                if waiting.migrations:
                    self._turn.remove(process)

    def pages(self, process: Process | None = None, *, handed_out: bool = True) -> tuple[int, int]:
        """4 KiB pages on the list that are to be promoted and demoted, of one process or of all.

        Without those that were handed out, if so wanted: they may have moved already.
        """
        with self._changed:
            waiting = [w for p, w in self._waiting.items() if process in (None, p)]
            every = [m for w in waiting for m in w.migrations]
            every += [m for w in waiting for m in w.handed_out if handed_out]
            up = sum(m.pages for m in every if not m.demotes)
            return up, sum(m.pages for m in every) - up

    def close(self) -> None:
        """Refuse offers and let every `take` return None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        """Slots on the list, those handed out included."""
        return self._slots


def _urgency(migration: Migration) -> tuple[bool, int]:
    """Demotions first, the coldest of them, then the hottest that are promoted."""
    return migration.demotes, -migration.heat if migration.demotes else migration.heat


def _split(migration: Migration, pages: int) -> tuple[Migration, Migration | None]:
    slots = max(1, pages // migration.pages_per_slot)
    head, tail = migration.addresses[:slots], migration.addresses[slots:]
    return _part(migration, head), _part(migration, tail) if len(tail) else None


def _part(migration: Migration, addresses: UIntArray) -> Migration:
    return replace(migration, addresses=addresses)
