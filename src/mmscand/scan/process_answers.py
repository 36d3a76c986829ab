"""What is known of one process, for threads that do not scan. Nothing is changed by asking."""

from collections.abc import Iterator, Mapping

from mmscand.heat.history import History
from mmscand.model import ByteArray, FloatArray, Process, UIntArray, VmaTable
from mmscand.observe.status import ProcessState, ProcessStatus
from mmscand.policy.placement import Placement, served
from mmscand.scan.benefit import FULL, SLOWED, STOPPED
from mmscand.scan.block_processor import BlockProcessor
from mmscand.scan.mappings import Mappings
from mmscand.scan.rules import RuleMatch
from mmscand.scan.visit import Progress
from mmscand.scan.visit_times import VisitTimes

_STATES: Mapping[str, ProcessState] = {FULL: "watched", SLOWED: "slowed", STOPPED: "stopped"}


class ProcessAnswers:
    """From any thread."""

    def __init__(
        self,
        process: Process,
        blocks: BlockProcessor,
        mappings: Mappings,
        times: VisitTimes,
        progress: Progress,
        match: RuleMatch,
    ) -> None:
        self.process = process
        self._blocks = blocks
        self._mappings = mappings
        self._times = times
        self._progress = progress
        self.match = match
        """What the rules say of it."""
        self.aging = ""
        """How its bits are cleared, in words for people."""

    def status(
        self, counters: Mapping[str, float], placed: Placement | None, *, late: bool
    ) -> ProcessStatus:
        """How the process stands, `placed` being its placement; `late`: its visit is overdue."""
        blocks, pacer, match = self._blocks, self._times.pacer, self.match
        preferred = blocks.candidates.use.preferred
        part = served([placed]) if placed is not None else None
        return ProcessStatus(
            process=self.process,
            state="waits" if late else self._state,
            fast_pages=placed.sizes[1] if placed else None,
            slow_pages=placed.sizes[0] if placed else None,
            hot_slow_pages=placed.hot_slow if placed else None,
            slow_by_reason=placed.slow if placed else {},
            fast_ratio=part.share if part else None,
            passes=self._progress.passes,
            aggressiveness=match.aggressiveness,
            rule=str(match),
            scan_period_ms=self._times.period_ms,
            exposure_ms=round(1000 * (blocks.policy.exposure_s or 0.0)) or None,
            changes=blocks.policy.changes,
            scan_size_mb=pacer.pace.size_mb,
            cursor=self._progress.cursor,
            aging=self.aging,
            target_node=preferred[0] if preferred else None,
            useful_pages=pacer.pace.useful_pages,
            failed_percent=pacer.failures.percent,
            effort=blocks.benefit.effort,
            effort_why=blocks.benefit.why,
            saved_s=blocks.benefit.account.saved_s,
            spent_s=blocks.benefit.account.spent_s,
            hotness=self.history.hotness(blocks.candidates.topology),
            skipped_mappings=self._mappings.skipped.mappings,
            skipped_pages=self._mappings.skipped.pages,
            counters=counters,
        )

    @property
    def _state(self) -> ProcessState:
        if not self._progress.passes:
            return "new"
        if self._times.sleeps:
            return "idle"
        return _STATES[self._blocks.benefit.effort]

    @property
    def history(self) -> History:
        """What is known of its pages: `slots` and `row_heat` may be asked from any thread."""
        return self._blocks.policy.history

    @property
    def placement(self) -> Placement | None:
        """See Policy."""
        return self._blocks.policy.placement

    @property
    def reason_codes(self) -> ByteArray | None:
        """See Policy."""
        return self._blocks.policy.reason_codes

    @property
    def expected_rates(self) -> FloatArray | None:
        """See Policy."""
        return self._blocks.policy.expected_rates

    @property
    def mapping_rules(self) -> tuple[VmaTable, ByteArray] | None:
        """See Mappings.rules."""
        return self._mappings.rules

    @property
    def gain_s(self) -> float:
        """How much longer an access takes on the slow tier."""
        return self._blocks.benefit.gain_s

    def kept_back(self, start: int, end: int) -> Iterator[tuple[str, UIntArray]]:
        """See Candidates."""
        return self._blocks.candidates.kept_back(start, end)

    def held(self, address: int, now: float) -> tuple[int, float]:
        """See Candidates.held_for."""
        return self._blocks.candidates.held_for(address, now)

    def moved(self, address: int) -> tuple[float, bool] | None:
        """See MovesLog.last."""
        return self._blocks.candidates.moves.last(address)
