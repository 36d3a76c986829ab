"""What one visit to a process saw, and who else wants to see it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from mmscand.model import Outcome, PageBlock, Process, StateArray, VmaTable
from mmscand.observe.events import PassEnd
from mmscand.observe.fields import fields_of

_COUNTS = tuple(name for name, field in fields_of(PassEnd).items() if field.type is int)
"""All that a visit counts."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visit to a process saw."""

    started: float
    complete: bool
    """It came to the end of the address space; the next one begins at its start."""
    counts: Counter[str]
    """Pages by what they were, and visits that were left out, see observe.events.PassEnd."""
    saved_s: float = 0.0
    spent_s: float = 0.0
    """Both since the visit before."""

    def event(self, process: Process, number: int, seconds: float) -> PassEnd:
        """As observers get it."""
        counts = {name: self.counts[name] for name in _COUNTS}
        return PassEnd(
            process,
            number,
            self.complete,
            seconds,
            saved_s=self.saved_s,
            spent_s=self.spent_s,
            **counts,
        )


@dataclass(slots=True)
class Progress:
    """Where the passes over one process stand. A visit is a part of a pass; it may be interrupted,
    and goes on later.
    """

    generation: int = 0
    """Of the address space that was looked at last."""
    passes: int = 0
    """Complete ones, over this address space."""
    visits: int = 0
    cursor: int = 0
    """Address at which the next visit begins, or this one goes on."""
    counts: Counter[str] | None = None
    """Of the visit that is under way; None between visits."""
    ages: bool = True
    """This visit clears what later ones read."""
    began: float = 0.0
    """The latest visit."""
    now: float = 0.0
    """When it went on."""

    def begin(self, now: float, *, ages: bool) -> None:
        """A visit is prepared. It is under way once it counts."""
        self.began, self.ages = now, ages

    def end_pass(self) -> None:
        """The visit has come to the end of the address space."""
        self.passes, self.cursor = self.passes + 1, 0

    def restart(self, generation: int) -> None:
        """The process has another address space."""
        self.generation, self.cursor, self.passes = generation, 0, 0
        self.counts = None


class Watcher(Protocol):
    """Sees pages one by one, where an observer sees their numbers: record.beside.

    All but `moved` is called from the scanner's thread, and must be as quick as the scanner is.
    """

    @property
    def wants_all(self) -> bool:
        """Whether a pass is to look at all rows, also at those that could rest, and to report each
        page on the slow tier what was accessed in it.
        """
        ...

    def mappings(self, process: Process, vmas: VmaTable) -> None:
        """A visit begins, or goes on; those that are looked at, and those that are not."""
        ...

    def see(self, process: Process, block: PageBlock, state: StateArray) -> None:
        """A block with its history (heat.history)."""
        ...

    def end_pass(self, process: Process, number: int, generation: int, aged: int) -> None:
        """A pass over the whole address space is over that cleared bits, so that `see` has reported
        all accesses since the one before; `aged` 4 KiB pages by this visit.
        """
        ...

    def restart(self, process: Process) -> None:
        """It has another address space."""
        ...

    def moved(self, outcome: Outcome) -> None:
        """From the migrator's thread."""
        ...

    def left(self, process: Process, number: int, generation: int) -> None:
        """It is watched no more."""
        ...


class NoWatcher:
    """Nobody does: 50 ns a block."""

    wants_all = False

    def mappings(self, process: Process, vmas: VmaTable) -> None:
        """See Watcher."""

    def see(self, process: Process, block: PageBlock, state: StateArray) -> None:
        """See Watcher."""

    def end_pass(self, process: Process, number: int, generation: int, aged: int) -> None:
        """See Watcher."""

    def restart(self, process: Process) -> None:
        """See Watcher."""

    def moved(self, outcome: Outcome) -> None:
        """See Watcher."""

    def left(self, process: Process, number: int, generation: int) -> None:
        """See Watcher."""


class ExpendableWatcher:
    """A watcher that may fail: it sees nothing more then, and that is said once."""

    def __init__(self, watcher: Watcher, say: Callable[[str], None]) -> None:
        self._watcher = watcher
        self._say = say

    @property
    def wants_all(self) -> bool:
        """See Watcher."""
        return self._watcher.wants_all

    def mappings(self, process: Process, vmas: VmaTable) -> None:
        """See Watcher."""
        with self._dropped():
            self._watcher.mappings(process, vmas)

    def see(self, process: Process, block: PageBlock, state: StateArray) -> None:
        """See Watcher."""
        with self._dropped():
            self._watcher.see(process, block, state)

    def end_pass(self, process: Process, number: int, generation: int, aged: int) -> None:
        """See Watcher."""
        with self._dropped():
            self._watcher.end_pass(process, number, generation, aged)

    def restart(self, process: Process) -> None:
        """See Watcher."""
        with self._dropped():
            self._watcher.restart(process)

    def moved(self, outcome: Outcome) -> None:
        """See Watcher."""
        with self._dropped():
            self._watcher.moved(outcome)

    def left(self, process: Process, number: int, generation: int) -> None:
        """See Watcher."""
        with self._dropped():
            self._watcher.left(process, number, generation)

    @contextmanager
    def _dropped(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # it is not the scanner's: anything can come
            self._watcher = NoWatcher()
            self._say(f"a watcher failed and sees nothing more: {error!r}")
