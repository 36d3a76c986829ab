"""What `top` shows: a head of a few lines, and a table. Plain data, made by a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

View = Literal["processes", "cgroups", "mappings", "events"]
VIEWS: tuple[View, ...] = ("processes", "cgroups", "mappings", "events")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    width: int
    """Letters; the last column takes what is left."""
    right: bool = True
    """Numbers are at the right."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row."""

    key: int
    """Of what it is: the pid of a process, else its place."""
    cells: tuple[str, ...]
    order: tuple[float | str, ...]
    """What each column is sorted by: numbers descend, words ascend."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one view."""

    columns: tuple[Column, ...]
    rows: Sequence[Row]

    def sorted_by(self, column: int, *, reverse: bool = False) -> Sequence[Row]:
        """Numbers from the largest on, words from A on; the other way round in `reverse`."""
        numeric = bool(self.rows) and not isinstance(self.rows[0].order[column], str)
        return sorted(self.rows, key=lambda row: row.order[column], reverse=numeric != reverse)

    def matching(self, words: str) -> "Table":
        """Rows with these letters in a cell, whatever their case."""
        wanted = words.casefold()
        kept = [row for row in self.rows if wanted in " ".join(row.cells).casefold()]
        return Table(self.columns, kept)


@dataclass(frozen=True, slots=True)
class Frame:
    """One look."""

    when: str
    """`live`, or the moment that it is of."""
    head: tuple[str, ...]
    """Three lines: tiers; moves and what they bring; cost and pressure."""
    table: Table


class Source(Protocol):
    """Where frames come from. MmscandError says why there is none."""

    @property
    def past(self) -> bool:
        """Whether there are other moments to go to."""
        ...

    def frame(self, view: View, pid: int | None) -> Frame:
        """The view as of now, or of the chosen moment; `pid` is of mappings."""
        ...

    def step(self, moments: int) -> None:
        """Go on by this many samples, or back."""
        ...

    def go_to(self, words: str) -> None:
        """Go to a time in words; UsageError where it says nothing."""
        ...

    def command(self, words: str) -> str:
        """Change the daemon; what it says. UsageError where that is no command."""
        ...
