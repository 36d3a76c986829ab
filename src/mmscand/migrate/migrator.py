"""The migrator: moves what is on the migration list, and reports what became of each page."""

import contextlib
import errno
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmscand.clock import Clock
from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import Outcome, Promotion
from mmscand.observe.events import Moved, Observer
from mmscand.policy.target import nearest_with_room
from mmscand.settings import SettingsStore


@dataclass(frozen=True, slots=True)
class Migrator:
    """Runs until the list is closed; a process that exits takes nothing else with it."""

    machine: Machine
    migration_list: MigrationList
    settings: SettingsStore
    clock: Clock
    observer: Observer
    report: Callable[[Outcome], None]
    """Where outcomes go: back to the history of the process."""

    def run(self) -> None:
        """The thread's whole life."""
        while promotion := self._next():
            try:
                self._promote(promotion)
            except (ProcessGone, ProcessDenied):
                self.migration_list.drop(promotion.process)

    def _next(self) -> Promotion | None:
        return self.migration_list.take(self.settings.current.migrate_batch_pages, self.clock)

    def _promote(self, promotion: Promotion) -> None:
        started = self.clock.now()
        target = nearest_with_room(
            self.machine.topology(),
            promotion.source,
            max(promotion.pages, self.settings.current.room_pages),
            self.machine.free_pages,
        )
        if target is None:
            status = np.full(len(promotion.addresses), -errno.ENOMEM, dtype=np.int32)
        else:
            # Opened anew for each batch: 60 us, and the identity is checked right before the move.
            with contextlib.closing(self.machine.open(promotion.process)) as space:
                status = space.move(promotion.addresses, target)
        outcome = Outcome(promotion, -1 if target is None else target, status)
        # In this order: what is offered after it was struck off is offered knowing the outcome.
        self.report(outcome)
        self.migration_list.done(promotion)
        self.observer(moved_event(outcome, self.clock.now() - started))


def moved_event(outcome: Outcome, seconds: float) -> Moved:
    """The outcome in numbers of pages; failures by the name of their errno."""
    pages = outcome.promotion.pages_per_slot
    failed = Counter[str]()
    reasons = np.unique(outcome.status[~outcome.moved], return_counts=True)
    for status, slots in zip(*reasons, strict=True):
        # A page that is on a third node was moved by somebody else meanwhile.
        name = "ELSEWHERE" if status >= 0 else errno.errorcode.get(-int(status), str(status))
        failed[name] += int(slots) * pages
    return Moved(
        process=outcome.promotion.process,
        target=None if outcome.target < 0 else outcome.target,
        seconds=seconds,
        promoted=int(np.count_nonzero(outcome.moved)) * pages,
        failed=failed,
    )
