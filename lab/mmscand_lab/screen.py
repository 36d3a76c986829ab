"""The lab on the terminal: live progress, plain lines where there is none, and tables.

The only module that imports rich; import it where something is shown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mmscand_lab.experiment import Progress as ProgressCallback
from mmscand_lab.far_socket import FarSocket
from mmscand_lab.samples import Sample
from mmscand_lab.scenario import BUSY_SERVER, BUSY_SERVER_SUMMARY, Scenario
from mmscand_lab.top_beside import top_beside
from mmscand_lab.verdict import Row

# A tenth of the hot pages: a handful of lines for a promotion, however long it takes.
_PLAIN_STEP = 0.1


@contextmanager
def progress_shown(console: Console) -> Iterator[ProgressCallback]:
    """Show progress while the context lasts; gives the callback that takes it."""
    if console.is_terminal:
        live = _LiveProgress()
        with _live(console, live):
            yield live
    else:
        yield PlainProgress(console)


@contextmanager
def progress_or_top(
    console: Console, *, top: bool
) -> Iterator[tuple[ProgressCallback, FarSocket | None]]:
    """With `top`, on a terminal: `mmscand top` in place of the progress while a daemon answers.

    Gives the socket that the guest is to be started with, None where there is no `top`.
    """
    # rich takes FORCE_COLOR for a terminal, and does not look at the input.
    if top and console.is_terminal and sys.stdin.isatty() and sys.stdout.isatty():
        progress = _LiveProgress()
        with _live(console, progress) as live, top_beside(live) as far:
            yield progress, far
    else:
        with progress_shown(console) as shown:
            yield shown, None


class _LiveProgress:
    """A line with the state and the time, and two bars under it."""

    def __init__(self) -> None:
        self._state = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        )
        self._bars = Progress(
            TextColumn("  {task.description}"),
            BarColumn(40),
            TextColumn("{task.percentage:7.3f} %"),
        )
        self._now = self._state.add_task("starting", total=None)
        self._hot = self._bars.add_task("hot pages in the top tier ", total=1.0)
        self._cold = self._bars.add_task("cold pages in the top tier", total=1.0)
        self.shown = Group(self._state, self._bars)

    def __call__(self, state: str, sample: Sample | None) -> None:
        """Take one step of progress."""
        self._state.update(self._now, description=state)
        if sample is not None:
            self._bars.update(self._hot, completed=sample.hot)
            self._bars.update(self._cold, completed=sample.cold)


def _live(console: Console, progress: _LiveProgress) -> Live:
    return Live(progress.shown, console=console, refresh_per_second=8)


class PlainProgress:
    """A line for each new state and for each tenth of the hot pages."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._state = ""
        self._hot = 0.0

    def __call__(self, state: str, sample: Sample | None) -> None:
        """Take one step of progress."""
        if state != self._state:
            self._state = state
            self._say(state)
        hot = 0.0 if sample is None else sample.hot
        if sample is not None and (abs(hot - self._hot) >= _PLAIN_STEP or 1.0 == hot > self._hot):
            self._hot = hot
            self._say(f"in the top tier: {hot:.2%} of the hot pages, {sample.cold:.2%} of the cold")

    def _say(self, text: str) -> None:
        line = f"{time.monotonic() - self._begin:6.1f} s  {text}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def verdict_table(title: str, rows: Sequence[Row]) -> Table:
    """Figure, what was measured, what was promised, whether it was kept."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("figure")
    for name in ("measured", "target"):
        table.add_column(name, no_wrap=True)
    table.add_column("")
    styles = {None: "", True: "green", False: "bold red"}
    for row in rows:
        table.add_row(row.figure, row.value, row.target, row.word, style=styles[row.ok])
    return table


def scenario_table(scenarios: Sequence[Scenario]) -> Table:
    """The scenarios by name."""
    table = Table(box=None, pad_edge=False)
    for name in ("name", "workload", "promise"):
        table.add_column(name)
    for one in scenarios:
        promise = f"hot {one.hot_target * 100:g} %, cold {one.cold_target * 100:g} %"
        table.add_row(one.name, one.summary, promise)
    table.add_row(
        BUSY_SERVER, BUSY_SERVER_SUMMARY, "hot 99 %, cold 1 %, nothing moves that may not"
    )
    return table
