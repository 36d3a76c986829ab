"""What lives on a busy server: two large processes, PostgreSQL, a KVM machine, and a crowd."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, IntArray, Topology
from mmscand_lab.crowd import Crowd, gathered
from mmscand_lab.kvm import KvmMachine, times_of
from mmscand_lab.kvm_modules import PROGRAM
from mmscand_lab.pg_cluster import Cluster, unpack
from mmscand_lab.pg_server import served, session
from mmscand_lab.postgres import shared_mapping
from mmscand_lab.programs import Program, ready_truth, running
from mmscand_lab.region import free_mib
from mmscand_lab.residents import KVM_HOT, KVM_SEED, Resident
from mmscand_lab.samples import TierProbe
from mmscand_lab.truth import Truth

ROWS = 8192
"""Of PostgreSQL's table."""
SCHEMA = (
    "create extension pg_prewarm",
    f"create table hot as select i, repeat('hot-page', 25) f from generate_series(1, {ROWS}) i",
    "vacuum analyze",
    "checkpoint",
)
_KVM_MIB, _LARGE_MIB, _BUFFERS_MIB = 48, 128, 32
_PAUSE_MS = 50
"""Of the large processes after each round over their hot pages: two cores are for all of this."""
_LEFT_MIB = 128
"""Of the fast node, beside idle memory: all that is hot fits, with the headroom. Where it has to
wait until idle pages are known as such, emulation takes many minutes."""
LARGE = {"4K": ["--no-huge"], "2M": ["--huge"]}


@dataclass(frozen=True, slots=True)
class World:
    """All that runs beside the daemon."""

    fast: int
    """The node of the fast tier."""
    crowd: Crowd
    large: dict[str, Truth]
    probes: dict[str, TierProbe]
    programs: Sequence[Program]
    cluster: Cluster
    buffers: Resident
    """PostgreSQL's shared memory, as a backend maps it."""
    kvm: KvmMachine

    def shares(self) -> dict[str, tuple[float, float]]:
        """By large process: of the hot and of the cold pages, how many are on the fast tier."""
        return {name: probe.shares() for name, probe in self.probes.items()}

    def must_stay(self) -> dict[str, Resident]:
        """Memory that must not move, by what it is."""
        names = {"KVM machine": "kvm", "bound process": "bound", "pinned pages": "pinned"}
        found = {what: self.crowd.named[name] for what, name in names.items()}
        return {**found, "shared buffers of PostgreSQL": self.buffers}

    def fill_fast_node(self) -> None:
        """Idle memory takes nearly all that is free there."""
        self.crowd.fill_fast_node(256 * max(1, (free_mib(self.fast) or 0) - _LEFT_MIB))

    def require_alive(self) -> None:
        """LabError with the last words of a program that has ended."""
        for program in self.programs:
            program.require_alive()


def nodes_of(memory: Resident) -> IntArray:
    """The node of each of its pages, negative where there is none."""
    pages = np.arange(memory.pages, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    return move_pages(memory.pid, pages + np.uint64(memory.address), None)[1]


@contextmanager
def populated(results: Path, topology: Topology) -> Iterator[World]:
    """The server, with all memory where it should be at first. Raises LabError, OSError."""
    fast, slow = min(topology.fast), max(topology.slow)
    with ExitStack() as opened:
        crowd = opened.enter_context(gathered(fast, slow, results / PROGRAM, _KVM_MIB))
        print(f"{len(crowd.small)} small processes and a KVM machine are there", flush=True)
        folder = opened.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
        cluster = unpack(results, Path(folder))
        log = results / "postgres.log"
        server = opened.enter_context(served(cluster, _BUFFERS_MIB, log))
        backend = opened.enter_context(session(cluster, "hot"))
        start, length = shared_mapping(backend)
        print("PostgreSQL is there", flush=True)
        programs = [opened.enter_context(_large(name, slow, results)) for name in LARGE]
        large = {
            name: ready_truth(program, results / f"large-{name}")
            for name, program in zip(LARGE, programs, strict=True)
        }
        probes = {
            name: opened.enter_context(closing(TierProbe(truth, topology)))
            for name, truth in large.items()
        }
        buffers = Resident("buffers", backend, start, length // PAGE_BYTES)
        memory = crowd.named["kvm"]
        times = times_of(results / PROGRAM, memory.pages, KVM_HOT, KVM_SEED)
        kvm = KvmMachine(memory, times)
        yield World(fast, crowd, large, probes, [server, *programs], cluster, buffers, kvm)


@contextmanager
def _large(name: str, slow: int, results: Path) -> Iterator[Program]:
    argv = ["mmscand_lab.workload", "--mib", str(_LARGE_MIB), "--hot-share", "0.1", *LARGE[name]]
    argv += ["--node", str(slow), "--pause-ms", str(_PAUSE_MS)]
    argv += ["--state", str(results / f"large-{name}")]
    output = results / f"large-{name}.txt"
    (results / f"large-{name}" / "ready").unlink(missing_ok=True)  # of an earlier run
    with running(f"large-{name}", argv, results, output) as program:
        yield program
