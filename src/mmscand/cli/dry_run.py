"""A dry run's lines about each process: the pages that could be promoted. As it clears no Accessed
bits, these are an upper bound.
"""

from collections.abc import Callable

from mmscand.model import PAGE_BYTES, Process
from mmscand.observe.events import Event, PassEnd, ProcessLeft

_NEWS = 0.1
"""A pass that differs by less than this from what was said last is no news."""
_PAGES_PER_MIB = (1 << 20) // PAGE_BYTES


class DryRunReport:
    """An observer: a line for a process at its first pass, and when the figures have changed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: dict[Process, int] = {}
        """Accessed pages, as they were said last."""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, ProcessLeft):
            self._said.pop(event.process, None)
        if isinstance(event, PassEnd) and event.complete and self._is_news(event):
            self._said[event.process] = event.accessed
            self._say(_words(event))

    def _is_news(self, event: PassEnd) -> bool:
        before = self._said.get(event.process)
        if before is None:
            return event.slow > 0
        return abs(event.accessed - before) > _NEWS * max(before, _PAGES_PER_MIB)


def _words(event: PassEnd) -> str:
    accessed, slow = (pages // _PAGES_PER_MIB for pages in (event.accessed, event.slow))
    share = 100 * event.accessed // max(1, event.slow)
    return (
        f"{event.process}: dry run: up to {accessed} MiB would be promoted of {slow} MiB on the "
        f"slow tier ({share} %): accessed since they were mapped or aged last, as a dry run "
        "clears no bits"
    )
