"""What is known of one process, for threads that do not scan. Nothing is changed by asking."""

from collections.abc import Iterator

from mmscand.heat.history import History
from mmscand.model import ByteArray, FloatArray, Process, UIntArray, VmaTable
from mmscand.policy.placement import Placement
from mmscand.scan.benefit import Benefit
from mmscand.scan.block_processor import BlockProcessor
from mmscand.scan.candidates import Candidates
from mmscand.scan.mappings import Mappings


class ProcessAnswers:
    """From any thread."""

    def __init__(
        self,
        process: Process,
        blocks: BlockProcessor,
        candidates: Candidates,
        benefit: Benefit,
        mappings: Mappings,
    ) -> None:
        self.process = process
        self._blocks = blocks
        self._candidates = candidates
        self._benefit = benefit
        self._mappings = mappings

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
        return self._benefit.gain_s

    def kept_back(self, start: int, end: int) -> Iterator[tuple[str, UIntArray]]:
        """See Candidates."""
        return self._candidates.kept_back(start, end)

    def held(self, address: int, now: float) -> tuple[int, float]:
        """See Candidates.held_for."""
        return self._candidates.held_for(address, now)

    def moved(self, address: int) -> tuple[float, bool] | None:
        """See MovesLog.last."""
        return self._candidates.moves.last(address)
