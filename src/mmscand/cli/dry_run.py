"""A dry run's lines about each process: what would be moved.

Where Accessed bits are cleared, that is the plan. Where they are not, nothing is known of how often
a page is accessed, and what could be promoted is an upper bound.
"""

from collections.abc import Callable

from mmscand.model import PAGE_BYTES, Process
from mmscand.observe.events import Event, PassEnd, Planned, ProcessLeft

_NEWS = 0.1
"""A figure that differs by less than this from what was said last is no news."""
_PAGES_PER_MIB = (1 << 20) // PAGE_BYTES


class DryRunReport:
    """An observer: a line for a process at first, and when its figures have changed."""

    def __init__(self, say: Callable[[str], None], *, clears: bool) -> None:
        self._say = say
        self._clears = clears
        self._said: dict[Process, int] = {}
        """Pages that could be promoted, as they were said last."""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, ProcessLeft):
            self._said.pop(event.process, None)
        elif isinstance(event, Planned):
            self._tell(event.process, event.promote, _planned(event))
        elif isinstance(event, PassEnd) and event.complete and event.slow and not self._clears:
            self._tell(event.process, event.accessed, _upper_bound(event))

    def _tell(self, process: Process, pages: int, words: str) -> None:
        before = self._said.get(process)
        if before is None or abs(pages - before) > _NEWS * max(before, _PAGES_PER_MIB):
            self._said[process] = pages
            self._say(words)


def _upper_bound(event: PassEnd) -> str:
    accessed, slow = (pages // _PAGES_PER_MIB for pages in (event.accessed, event.slow))
    share = 100 * event.accessed // max(1, event.slow)
    return (
        f"{event.process}: dry run: up to {accessed} MiB would be promoted of {slow} MiB on the "
        f"slow tier ({share} %): accessed since they were mapped or aged last, as this dry run "
        "clears no bits (--clear-bits)"
    )


def _planned(event: Planned) -> str:
    if not event.promote and not event.demote:
        return f"{event.process}: dry run: nothing is to be moved"
    moves = [
        f"{words} {pages / _PAGES_PER_MIB:.1f} MiB{_from(rate, limit)}"
        for words, pages, rate, limit in (
            ("promote", event.promote, event.promote_from, "or more"),
            ("demote", event.demote, event.demote_to, "or less"),
        )
        if pages
    ]
    return (
        f"{event.process}: dry run: the plan is to {' and to '.join(moves)}; that takes "
        f"{event.moves_ms:.3g} ms, and saves {event.saved_ms:.3g} ms a second or more"
    )


def _from(rate: float | None, limit: str) -> str:
    return "" if rate is None else f" of {rate:.3g} accesses a second and page {limit}"
