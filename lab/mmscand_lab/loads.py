"""The loads on which policies are compared: programs whose memory is on the slow node at first.

A load is a name, how it is started, and what happens to it halfway. While it runs it says what
share of its accesses, or of its memory, the top tier has, how fast it is, and at the end what came
up that should not have. A further one is a function and a line in `LOADS`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from mmscand.model import FloatArray
from mmscand_lab.key_servers import memcached, redis, redis_image
from mmscand_lab.memcached import memcached_program, take_memcached
from mmscand_lab.ops import load_ops
from mmscand_lab.pg_cluster import programs
from mmscand_lab.phases import Phases, present_phase
from mmscand_lab.place import Place
from mmscand_lab.programs import Program, ready_truth, running
from mmscand_lab.result import WORKLOAD
from mmscand_lab.samples import TierProbe
from mmscand_lab.served import make_records, postgres
from mmscand_lab.touch import streamed
from mmscand_lab.truth import BoolArray, Truth, hot_rates, hottest, shifted

#: An eighth of the workload's pages: DRAM to CXL at 1:8, a ratio of the papers.
ROOM_PAGES = 8192
_MIB = "256"

Change = Literal["shift", "stream", "phases"]
"""Phases come by themselves, all the time: nothing is then ever at rest."""


class RunningLoad(Protocol):
    """A load at work."""

    @property
    def pid(self) -> int:
        """The process; with its children it is what runs in its own name."""
        ...

    @property
    def options(self) -> tuple[str, ...]:
        """Of ``mmscand run``: which processes to look at, knobs that it cannot do without."""
        ...

    @property
    def best(self) -> float | None:
        """The highest level there can be, None where nobody knows."""
        ...

    def level(self) -> float:
        """Share of its accesses that go to the top tier; of its memory where `best` is None."""
        ...

    def change(self) -> None:
        """What happens to it halfway."""
        ...

    def end(self) -> dict[str, float]:
        """Figures of its own, at the end."""
        ...

    def ops(self) -> npt.NDArray[np.float64]:
        """Rows as of `ops.load_ops`."""
        ...

    def require_alive(self) -> None:
        """LabError when it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Load:
    """A load that can be started."""

    summary: str
    start: Callable[[Place], AbstractContextManager[RunningLoad]]
    change: Change | None = None
    needs: Callable[[], object] = lambda: None
    """Raises LabError where what it needs is not installed."""
    prepare: Callable[[Path], object] = lambda results: None
    """What the host does for it before the guest boots, in the folder of the results."""


class Pages:
    """A workload that knows the rate of each page; `change` says what its signal does."""

    def __init__(
        self, program: Program, truth: Truth, probe: TierProbe, folder: Path, change: Change | None
    ) -> None:
        self.pid = truth.pid
        self.options: tuple[str, ...] = ("--pid", str(truth.pid))
        self._program, self._truth, self._probe, self._folder = program, truth, probe, folder
        self._rates = hot_rates(truth.hot) if truth.rates is None else truth.rates
        self._ever_hot = truth.hot
        self._change = change
        self._streamed: BoolArray | None = None
        self.best: float | None = best_share(self._rates, ROOM_PAGES)

    def level(self) -> float:
        """Share of its accesses that go to the top tier."""
        return float(self._rates[self._probe.on_top()].sum())

    def change(self) -> None:
        """Signal the program; what is true of it changes too."""
        if self._change == "shift":
            hot = shifted(self._truth.hot, self._truth.seed)
            self._rates, self._ever_hot = hot_rates(hot), self._truth.hot | hot
        else:
            self._streamed = np.zeros(self._rates.size, dtype=np.bool_)
            self._streamed[streamed(self._rates)] = True
            self._streamed &= ~self._probe.on_top()
        self._program.process.send_signal(signal.SIGUSR1)

    def end(self) -> dict[str, float]:
        """Pages up that never were hot, and those that are up since a stream read them."""
        top = self._probe.on_top()
        found = {"wrong_pages": float((top & ~self._ever_hot).sum())}
        if self._streamed is not None:
            found["streamed_up_pages"] = float((top & self._streamed).sum())
        return found

    def ops(self) -> npt.NDArray[np.float64]:
        """Touches a second, and the 99th percentile of a block of 4096."""
        return load_ops(self._folder)

    def require_alive(self) -> None:
        """LabError when it has ended."""
        self._program.require_alive()


class PhasedPages(Pages):
    """A workload whose hot pages change by themselves; it says in a file which they are now.

    The best is the same in each phase, as all parts are equal.
    """

    def __init__(self, program: Program, truth: Truth, probe: TierProbe, folder: Path) -> None:
        super().__init__(program, truth, probe, folder, "phases")
        self._phases = Phases.load(folder)

    def level(self) -> float:
        """Share of the accesses of this phase that go to the top tier."""
        self._rates = self._phases.rates(present_phase(self._folder))
        return super().level()

    def end(self) -> dict[str, float]:
        """Pages up that were hot in no phase so far."""
        self._ever_hot = self._phases.hot_so_far(present_phase(self._folder))
        return super().end()

    def change(self) -> None:
        """Nothing is to be done: it goes on."""


def best_share(rates: FloatArray, room: int) -> float:
    """The share of accesses that the top tier has with the hottest pages in it."""
    return float(rates[hottest(rates, room)].sum())


def _pages(
    *options: str, change: Change | None = None
) -> Callable[[Place], AbstractContextManager[RunningLoad]]:
    @contextmanager
    def start(place: Place) -> Iterator[RunningLoad]:
        folder = place.folder / WORKLOAD
        folder.mkdir(exist_ok=True)
        argv = ["mmscand_lab.workload", "--mib", _MIB, *options, "--seed", str(place.seed)]
        argv += ["--node", str(max(place.topology.slow)), "--state", str(folder)]
        argv += place.speeds.workload_options
        output = place.folder / "workload-stdout.txt"
        with running("workload", argv, place.folder, output) as program:
            truth = ready_truth(program, folder)
            with closing(TierProbe(truth, place.topology)) as probe:
                if change == "phases":
                    yield PhasedPages(program, truth, probe, folder)
                else:
                    yield Pages(program, truth, probe, folder, change)
            program.stop()

    return start


# Hot pages of zipf are those that fit: an eighth.
_ZIPF = ("--pattern", "zipf", "--hot-share", "0.125")

LOADS: Mapping[str, Load] = {
    "gups": Load(
        "90 % of the accesses go to a random 10 % of the pages", _pages("--pattern", "gups")
    ),
    "zipf": Load("the page of rank r is accessed like 1 / r ** 0.99", _pages(*_ZIPF)),
    "shift": Load(
        "a random 10 % of the pages, and halfway another",
        _pages("--pattern", "hot", change="shift"),
        "shift",
    ),
    "stream": Load(
        "zipf, and halfway the coldest 70 % are read through once",
        _pages(*_ZIPF, change="stream"),
        "stream",
    ),
    "stairs": Load(
        "ten parts, one after another is hot for a while, as by masim",
        _pages("--pattern", "stairs", "--layout", "range", change="phases"),
        "phases",
    ),
    "zigzag": Load(
        "two parts of ten are hot in turn, as by masim",
        _pages("--pattern", "zigzag", "--layout", "range", change="phases"),
        "phases",
    ),
    "chase": Load(
        "pointers lead from line to line, 90 % of them in a random 10 % of the pages",
        _pages("--pattern", "chase"),
    ),
    "btree": Load(
        "lookups in a tree of pages, its leaves by zipf",
        _pages("--pattern", "btree", "--hot-share", "0.125"),
    ),
    "grid": Load(
        "a binary search in a sorted grid, then values anywhere, as XSBench does",
        _pages("--pattern", "grid", "--hot-share", "0.125"),
    ),
    # Half the size of the others, else a search would take a minute where memory is slow.
    "bfs": Load(
        "breadth-first search of a graph with a power law, as GAP does",
        _pages("--pattern", "bfs", "--mib", "128", "--hot-share", "0.25"),
    ),
    "sparse": Load(
        "524 hot 4K pages, scattered over 128 huge pages",
        _pages("--huge", "--layout", "scattered", "--hot-mib", "2.046875"),
    ),
    "redis": Load("a client that reads keys by zipf, 64 at a time", redis, needs=redis_image),
    "memcached": Load(
        "the same with memcached",
        memcached,
        needs=memcached_program,
        prepare=take_memcached,
    ),
    "postgres": Load(
        "pgbench reads rows by zipf, from shared buffers",
        postgres,
        needs=programs,
        prepare=make_records,
    ),
}
