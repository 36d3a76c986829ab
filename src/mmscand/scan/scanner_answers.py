"""What is known of all watched processes, for threads that do not scan."""

from mmscand.clock import Clock
from mmscand.machine import Machine, cgroup_of
from mmscand.model import Process
from mmscand.observe.counters import Counters
from mmscand.observe.status import BudgetStatus, ProcessStatus
from mmscand.observe.why import ProcessRates
from mmscand.policy.placement import Served, served
from mmscand.policy.ranking import Ranking
from mmscand.scan.budget import CpuBudget
from mmscand.scan.process_scanner import ProcessScanner
from mmscand.scan.watched import Watched


class ScannerAnswers:
    """From any thread."""

    def __init__(
        self,
        machine: Machine,
        watched: Watched,
        ranking: Ranking,
        budget: CpuBudget,
        clock: Clock,
    ) -> None:
        self._machine = machine
        self._watched = watched
        self._ranking = ranking
        self._budget = budget
        self._clock = clock

    @property
    def _scanners(self) -> list[ProcessScanner]:
        return list(self._watched.scanners.values())

    @property
    def left_alone(self) -> dict[Process, str]:
        """Processes that were chosen and are not watched, and why."""
        return self._watched.left_alone

    @property
    def credit_percent(self) -> int | None:
        """See observe.status."""
        return self._ranking.credit_percent

    def budget_status(self) -> BudgetStatus:
        """How much CPU time is allowed and used."""
        state, now = self._budget.state, self._clock.now()
        scanners = self._scanners
        waiting = sum(scanner.is_late(now) for scanner in scanners)
        costs = [scanner.visit_cost_s for scanner in scanners if scanner.visit_cost_s]
        visit_s = sum(costs) / max(1, len(costs))  # of those never visited too
        round_s = len(scanners) * visit_s / max(self._budget.rate, 1e-6)
        return BudgetStatus(
            limit_percent=state.limit_percent,
            earned_percent=state.earned_percent,
            used_percent=state.used_percent,
            burst_left_s=state.burst_left_s,
            waiting=waiting,
            round_s=round_s if waiting else None,
        )

    def status(self, counters: Counters) -> tuple[tuple[ProcessStatus, ...], Served | None]:
        """All scanners, and the share of accesses that the fast tier serves."""
        scanners, now = self._scanners, self._clock.now()
        placed = [scanner.answers.placement for scanner in scanners]
        found = tuple(
            scanner.answers.status(counters.of(scanner.process), where, late=scanner.is_late(now))
            for scanner, where in zip(scanners, placed, strict=True)
        )
        return found, served(each for each in placed if each is not None)

    def process_status(self, pid: int, counters: Counters) -> ProcessStatus | None:
        """That of one process; None where it is not watched."""
        if (scanner := self.scanner_of(pid)) is None:
            return None
        of, answers = counters.of(scanner.process), scanner.answers
        return answers.status(of, answers.placement, late=scanner.is_late(self._clock.now()))

    def rates(self) -> tuple[ProcessRates, ...]:
        """Of all processes of which rates are known."""
        scanners = self._scanners
        found = ((each.process, each.answers.placement) for each in scanners)
        return tuple(
            ProcessRates(one, cgroup_of(self._machine, one), placed.by_rate(), placed.unknown)
            for one, placed in found
            if placed is not None
        )

    @property
    def edge(self) -> float | None:
        """Accesses a second of the coldest page that has a place on the fast tier; None where no
        plan was made.
        """
        return self._ranking.edge

    def scanner_of(self, pid: int) -> ProcessScanner | None:
        """That of a watched process."""
        scanners = self._scanners
        return next((each for each in scanners if each.process.pid == pid), None)
