"""How much of a core the visits to one large process take, by rounds as the engine makes them."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from mmscand.engine.rounds import Rounds
from mmscand.scan.benefit import FULL
from mmscand.scan.visit import Progress
from mmscand.scan.visit_times import VisitTimes
from mmscand.settings import Settings

SECONDS = 120.0


class Policy:
    """Bits of a process whose edge is known, without changes."""

    makes_room = hurries = False

    def __init__(self) -> None:
        self.rounds = Rounds()
        self.rounds.end_early()

    @property
    def due_s(self) -> float:
        return self.rounds.due

    @property
    def reads_soon(self) -> bool:
        return self.rounds.reads_soon

    def slept(self, seconds: float) -> None:
        """Nothing: it never does."""


def visits(
    edge: float, clear_s: float, read_s: float, *, calm: bool, late_s: float = 0.0
) -> list[tuple[float, float]]:
    """Begin of each visit and its CPU time. Visits are late by some seconds, as of one scanner that
    has other processes too.
    """
    policy, progress, cpu = Policy(), Progress(), SimpleNamespace(seconds=0.0)
    space: Any = SimpleNamespace(cpu_ns=lambda: 0, resident_pages=lambda: 1 << 24)
    blocks: Any = SimpleNamespace(policy=policy, benefit=SimpleNamespace(effort=FULL))
    times = VisitTimes(space, Settings(), blocks, progress, cpu)  # type: ignore[arg-type]
    now, found = 0.0, []
    while now < SECONDS:
        progress.now = now
        times.begin(now)
        progress.begin(now, ages=policy.rounds.ends(now))
        spent = clear_s if progress.ages else read_s
        cpu.seconds += spent
        cleared_at = now + spent if progress.ages else None
        policy.rounds.visited(now, edge, None, cleared_at=cleared_at, calm=calm)
        found.append((now, spent))
        now = max(now + spent, times.after(now)) + late_s
    return found


@pytest.mark.parametrize("calm", [False, True])
@pytest.mark.parametrize("edge", [0.5, 2.0, 4.0, 10.0, 100.0])
@pytest.mark.parametrize(("clear_s", "read_s"), [(0.1, 0.1), (0.07, 0.07), (0.5, 0.05), (0.5, 0.5)])
def test_expensive_visits_take_a_quarter_of_a_core_at_most_and_no_rest_is_longer_than_its_due(
    edge: float, clear_s: float, read_s: float, *, calm: bool
) -> None:
    found = visits(edge, clear_s, read_s, calm=calm)
    assert sum(spent for _, spent in found) <= 0.25 * SECONDS
    gaps = [after - before for (before, _), (after, _) in pairwise(found)]
    assert max(gaps) <= max(2.0, 4 * (clear_s + read_s)) + clear_s + read_s + 1e-6


@pytest.mark.parametrize("edge", [2.0, 20.0])
@pytest.mark.parametrize("cost_s", [0.1, 0.4])
def test_where_visits_are_late_the_rest_is_that_of_two_at_most(edge: float, cost_s: float) -> None:
    """The round is over when its first read comes, which clears bits again."""
    found = visits(edge, cost_s, cost_s, calm=False, late_s=0.5)
    gaps = [after - before for (before, _), (after, _) in pairwise(found)]
    assert max(gaps) <= max(2.0, 4 * 2 * cost_s) + cost_s + 0.5 + 1e-6
    busy = sum(spent for _, spent in found)
    assert busy <= 0.25 * SECONDS
