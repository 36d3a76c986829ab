"""A recording beside the daemon: what its own passes see, and what became of its moves."""

from collections.abc import Callable

from mmscand.clock import Clock
from mmscand.errors import MmscandError
from mmscand.model import Outcome, PageBlock, Process, StateArray, VmaTable
from mmscand.record.file import RecordingWriter
from mmscand.record.labels import NO_LABELS, Labels
from mmscand.record.tables import ProcessPass
from mmscand.record.tape import ProcessTape


class RecordingWatcher:
    """See scan.visit.Watcher. When the file is full, or cannot be written, the daemon goes on."""

    wants_all = True
    """What a pass does not report is taken to be gone."""

    def __init__(
        self,
        writer: RecordingWriter,
        clock: Clock,
        ended: Callable[[str], None],
        labels: Labels = NO_LABELS,
    ) -> None:
        """`ended` gets the reason why nothing more is written, once."""
        self._labels = labels
        self._writer: RecordingWriter | None = writer
        self._clock = clock
        self._ended = ended
        self._tapes: dict[Process, ProcessTape] = {}
        self._vmas: dict[Process, VmaTable] = {}
        self._cpu_s: dict[Process, float] = {}
        """Of the pass that is under way."""
        self._cpu_at = 0.0

    def _tape(self, process: Process) -> ProcessTape:
        return self._tapes.setdefault(process, ProcessTape(process, self._labels))

    def mappings(self, process: Process, vmas: VmaTable) -> None:
        """See Watcher."""
        self._vmas[process] = vmas
        self._cpu_at = self._clock.thread_cpu()

    def see(self, process: Process, block: PageBlock, state: StateArray) -> None:
        """The daemon clears bits on the slow tier, so on the fast one they say nothing."""
        if self._writer is not None:
            self._tape(process).see(block, state, ~block.slow)
            self._count_cpu(process)

    def end_pass(self, process: Process, number: int, generation: int, aged: int) -> None:
        """See Watcher."""
        if self._writer is not None:
            self._count_cpu(process)
            tape, vmas = self._tape(process), self._vmas[process]
            cpu_s, at_ns = self._cpu_s.pop(process), self._now_ns()
            self._write(tape.end(number, generation, vmas, at_ns=at_ns, cpu_s=cpu_s, aged=aged))

    def _count_cpu(self, process: Process) -> None:
        before, self._cpu_at = self._cpu_at, self._clock.thread_cpu()
        self._cpu_s[process] = self._cpu_s.get(process, 0.0) + self._cpu_at - before

    def restart(self, process: Process) -> None:
        """See Watcher."""
        self._tape(process).restart()

    def moved(self, outcome: Outcome) -> None:
        """See Watcher."""
        tape = self._tapes.get(outcome.migration.process)
        if tape is not None and self._writer is not None:
            tape.moved(outcome)

    def left(self, process: Process, number: int, generation: int) -> None:
        """See Watcher."""
        tape = self._tapes.pop(process, None)
        self._vmas.pop(process, None)
        self._cpu_s.pop(process, None)
        if tape is not None:
            self._write(tape.left(number, generation, at_ns=self._now_ns()))

    def _now_ns(self) -> int:
        return int(self._clock.now() * 1e9)

    def _write(self, seen: ProcessPass) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(seen)
        except MmscandError as error:
            self._writer = None
            self._tapes.clear()
            self._ended(f"nothing more is recorded: {error}")
