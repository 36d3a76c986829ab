"""The migrator: moves what is on the migration list, and reports what became of each page."""

import contextlib
import errno
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np

from mmscand.clock import Clock
from mmscand.errors import OutOfResources, ProcessDenied, ProcessGone
from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.migrate.rate_limit import RateLimit
from mmscand.model import BoolArray, IntArray, Migration, Outcome, Topology
from mmscand.observe.events import Moved, Observer
from mmscand.policy.target import TargetPolicy, demotion_target, headroom_pages, takes_pages
from mmscand.settings_store import SettingsStore

_FULL_PAUSE_S = 0.5
"""Rest when no node has room: kswapd needs a while to make some, and asking is not free."""


class Migrator:
    """Runs until the list is closed; a process that exits takes nothing else with it."""

    def __init__(
        self,
        machine: Machine,
        migration_list: MigrationList,
        settings: SettingsStore,
        clock: Clock,
        observer: Observer,
        report: Callable[[Outcome], None],
    ) -> None:
        self._machine = machine
        self._list = migration_list
        self._store = settings
        self._clock = clock
        self._observer = observer
        self._report = report
        """Where outcomes go: back to the history of the process."""
        self._rate = RateLimit(clock)
        self._rest_until = 0.0
        self._ended_at = float("-inf")
        self.cpu_seconds = 0.0
        """CPU time of the thread so far, as of the last batch."""

    def run(self) -> None:
        """The thread's whole life."""
        while migration := self._list.take(self._most, self._clock, self._not_before, self._enough):
            self._carry_out(migration)

    def step(self) -> float:
        """Move what may go now, in place of `run`; clock time from which more may."""
        while migration := self._list.ready(self._most, self._early_s, self._enough()):
            self._carry_out(migration)
        return self._not_before() if len(self._list) else inf

    def _carry_out(self, migration: Migration) -> None:
        try:
            self._serve(migration)
        except ProcessGone:
            self._list.drop(migration.process)
        except ProcessDenied:
            self._close(not_moved(migration, errno.EPERM), self._clock.now())
            self._list.drop(migration.process)
        except OutOfResources:
            self._list.drop(migration.process)
            self._rest_until = self._clock.now() + _FULL_PAUSE_S
        self._ended_at = self._clock.now()
        self.cpu_seconds = self._clock.thread_cpu()

    @property
    def _most(self) -> int:
        """4 KiB pages of the next batch, by the present settings."""
        settings = self._store.current
        self._rate.set_mb_s(settings.migrate_rate_mb_s)
        return self._rate.batch_pages(settings.migrate_batch_pages)

    @property
    def _early_s(self) -> float:
        """Seconds until the next batch may go."""
        return self._not_before() - self._clock.now()

    def _enough(self) -> frozenset[int]:
        """Fast nodes that can take a batch (see target.takes_pages), or the headroom if it is more.

        Nothing is demoted there before a promotion has taken the place.
        """
        settings, topology = self._store.current, self._machine.topology()
        least = settings.room_pages + settings.migrate_batch_pages
        wanted = {
            node: max(least, headroom_pages(topology.node(node), settings))
            for node in topology.fast
        }
        return frozenset(node for node, pages in wanted.items() if self._takes(node) >= pages)

    def _takes(self, node: int) -> int:
        """See target.takes_pages."""
        free, cache = self._machine.free_pages(node), self._machine.page_cache(node)
        return takes_pages(free, cache, self._store.current)

    def _not_before(self) -> float:
        """Clock time of the next batch, by the present settings."""
        pause_s = self._store.current.migrate_sleep_ms / 1000
        return max(self._rest_until, self._rate.ready_at, self._ended_at + pause_s)

    def _serve(self, migration: Migration) -> None:
        started = self._clock.now()
        topology = self._machine.topology()
        if migration.source not in topology.fast | topology.slow:  # it went offline meanwhile
            outcome = not_moved(migration, errno.ENODEV)
        elif (target := self._target(topology, migration)) is None:
            # A full slow tier is no reason for promotions to wait, and neither are full nodes that
            # are all that an owner allows.
            if not migration.demotes and not self._has_room(topology, migration):
                self._rest_until = started + _FULL_PAUSE_S
            outcome = not_moved(migration, errno.ENOMEM)
        else:
            outcome = self._move(migration, target)
            tried = int(np.count_nonzero(outcome.tried))
            self._rate.pay(tried * migration.pages_per_slot)
        self._close(outcome, started)

    def _close(self, outcome: Outcome, started: float) -> None:
        migration = outcome.migration
        # In this order: what is offered after it left the list is offered knowing the outcome.
        self._report(outcome)
        self._list.done(migration)
        self._observer(moved_event(outcome, self._clock.now() - started))

    def _move(self, migration: Migration, target: int) -> Outcome:
        """Move what is still on its source: asking first costs 160 ns a page, a move 1.2-2.5 us.

        Opened again for each batch: 60 us, and the identity is checked right before the move.
        """
        with contextlib.closing(self._machine.open(migration.process)) as space:
            status = space.nodes(migration.addresses)
            tried: BoolArray = status == migration.source
            if tried.any():
                status[tried] = space.move(
                    migration.addresses[tried], target, shared=migration.shared
                )
        return Outcome(migration, target, status, tried)

    def _has_room(self, topology: Topology, migration: Migration) -> bool:
        """Whether there is a node for it, was it not for its owner."""
        return self._target(topology, replace(migration, allowed=None)) is not None

    def _target(self, topology: Topology, migration: Migration) -> int | None:
        settings = self._store.current
        pages = max(migration.pages, settings.room_pages)
        if migration.demotes:
            source, allowed = migration.source, migration.allowed
            return demotion_target(topology, source, pages, self._takes, allowed)
        return TargetPolicy(settings.target_policy, settings.target_node).choose(
            topology,
            migration.source,
            migration.preferred,
            pages,
            self._takes,
            migration.allowed,
        )


def not_moved(migration: Migration, reason: int) -> Outcome:
    """What becomes of pages when no node can take them, or the kernel does not allow it."""
    slots = len(migration.addresses)
    status: IntArray = np.full(slots, -reason, dtype=np.int32)
    return Outcome(migration, -1, status, np.ones(slots, dtype=np.bool_))


def moved_event(outcome: Outcome, seconds: float) -> Moved:
    """The outcome in numbers of pages; failures by the name of their errno."""
    pages = outcome.migration.pages_per_slot
    failed = Counter[str]()
    reasons = Counter(outcome.status[~outcome.arrived].tolist())
    for status, slots in reasons.items():
        # A page that is on neither its source nor the target was moved by somebody else meanwhile.
        name = "ELSEWHERE" if status >= 0 else errno.errorcode.get(-status, str(status))
        failed[name] += slots * pages
    moved = int(np.count_nonzero(outcome.moved)) * pages
    up, down = (0, moved) if outcome.migration.demotes else (moved, 0)
    huge = pages > 1
    return Moved(
        process=outcome.migration.process,
        target=None if outcome.target < 0 else outcome.target,
        seconds=seconds,
        promoted=up,
        already_there=int(np.count_nonzero(outcome.arrived & ~outcome.tried)) * pages,
        failed=dict(failed),  # asdict makes nonsense of a Counter
        demoted=down,
        promoted_huge=up * huge,
        demoted_huge=down * huge,
    )
