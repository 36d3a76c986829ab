"""PostgreSQL's shared buffers on slow memory: are hot ones distinguished from cold ones?

``python -m mmscand_lab.postgres --results DIR`` runs in a guest with two tiers: a server whose
buffers hold a small table that clients read all the time and a larger one that nobody reads, all of
it moved to the slow node before the daemon starts. What each page holds is read from the page
itself, where it is from pagemap. DIR gets `result.json`.

Exit status: 0 measured, 1 failed, 2 bad arguments, 3 this machine cannot.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmscand.linux.topology import NodeReader, read_topology, require_two_tiers
from mmscand.model import PAGE_BYTES, Topology
from mmscand_lab.ending import exit_status
from mmscand_lab.numa import migrate
from mmscand_lab.pg_cluster import COLD_MARK, HOT_MARK, Cluster, unpack
from mmscand_lab.pg_server import served, session
from mmscand_lab.programs import LAB_KNOBS, count_passes, daemon_command, running
from mmscand_lab.result import EVENTS, RESULT
from mmscand_lab.samples import TierProbe
from mmscand_lab.truth import BoolArray, Truth

_BUFFERS_MIB = 96
_CLIENTS = 2
_START_LIMIT_S = 900.0
_CONVERGE_PASSES = 720
"""Over all of its eight processes: a minute and a half on a quiet host."""
_AFTER_S = 5.0
_CONVERGED = 0.99


@dataclass(frozen=True, slots=True)
class PostgresResult:
    """What the experiment found."""

    shared_memory: bool
    """Whether the daemon was allowed to promote shared memory."""
    pages_hot: int
    pages_cold: int
    hot_promoted_share: float
    cold_promoted_share: float
    seconds_to_99: float | None
    tps_before: float
    tps_after: float
    """Medians of pgbench's own figures, before the daemon and at the end."""


@dataclass(frozen=True, slots=True)
class _Buffers:
    """The shared buffers as one backend maps them, a page an entry."""

    probe: TierProbe
    hot: BoolArray
    """It holds rows of the hot table."""
    cold: BoolArray
    """And of the cold one only."""

    def shares(self) -> list[float]:
        """Of the hot and of the cold pages, how many are on the top tier."""
        return self.probe.shares_of(self.hot, self.cold)


def shared_mapping(pid: int) -> tuple[int, int]:
    """The largest shared mapping: start and length."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    spans = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"^(\w+)-(\w+) rw-s", maps, re.M)]
    start, end = max(spans, key=lambda span: span[1] - span[0])
    return start, end - start


def _contents(pid: int, start: int, length: int) -> tuple[BoolArray, BoolArray]:
    """Which pages hold rows of the hot table, and which of the cold one only."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(start)
        pages = [memory.read(PAGE_BYTES) for _ in range(length // PAGE_BYTES)]
    hot = np.array([HOT_MARK in page for page in pages], dtype=np.bool_)
    cold = np.array([COLD_MARK in page for page in pages], dtype=np.bool_)
    return hot, cold & ~hot


def measure(results: Path, topology: Topology, *, shared_memory: bool) -> PostgresResult:
    """Run it all; the result. Raises MmscandError."""
    (fast, slow) = min(topology.fast), max(topology.slow)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        cluster = unpack(results, Path(folder))
        script = Path(folder) / "read-hot.sql"
        script.write_text("select sum(length(f)) from hot;\n")
        script.chmod(0o644)
        with (
            served(cluster, _BUFFERS_MIB, results / "postgres.log"),
            session(cluster, "cold", "hot") as backend,
        ):
            start, length = shared_mapping(backend)
            hot, cold = _contents(backend, start, length)
            migrate(backend, fast, slow)
            truth = Truth(backend, start, len(hot), slow, huge=False, seed=0, hot=hot)
            with closing(TierProbe(truth, topology)) as probe:
                buffers = _Buffers(probe, hot, cold)
                return _with_clients(results, cluster, script, buffers, shared_memory)


def _with_clients(
    results: Path, cluster: Cluster, script: Path, buffers: _Buffers, shared_memory: bool
) -> PostgresResult:
    options = ["-n", "-c", str(_CLIENTS), "-j", str(_CLIENTS), "-T", "600", "-P", "1"]
    log = results / "pgbench.log"
    argv = cluster.client("pgbench", *options, "-f", str(script))
    with log.open("wb") as out, subprocess.Popen(argv, stdout=out, stderr=out) as clients:
        try:
            time.sleep(_AFTER_S)
            before = _tps(log)
            seconds = _with_daemon(results, buffers, shared_memory)
            after = _tps(log)
        finally:
            clients.terminate()
    hot_share, cold_share = buffers.shares()
    return PostgresResult(
        shared_memory,
        int(buffers.hot.sum()),
        int(buffers.cold.sum()),
        hot_share,
        cold_share,
        seconds,
        before,
        after,
    )


def _with_daemon(results: Path, buffers: _Buffers, shared_memory: bool) -> float | None:
    """Seconds until the hot pages were up, None if they never were."""
    events, knob = results / EVENTS, f"shared_memory={str(shared_memory).lower()}"
    found: float | None = None
    argv = daemon_command("--match", "^postgres", knobs=(*LAB_KNOBS, knob))
    with running("daemon", argv, results, events) as daemon:
        # Counted from its first pass: how long a start takes in emulation is not the question.
        daemon.wait_for(lambda: "pass_end" in events.read_text(), "its first pass", _START_LIMIT_S)
        started = time.monotonic()
        limit = _CONVERGE_PASSES if shared_memory else _CONVERGE_PASSES // 3
        while found is None and count_passes(events) < limit:
            daemon.require_alive()
            if buffers.shares()[0] >= _CONVERGED:
                found = time.monotonic() - started
            time.sleep(0.5)
        time.sleep(_AFTER_S)
        daemon.stop()
    return found


def _tps(log: Path) -> float:
    """Median of the last five seconds that pgbench reported."""
    lines = re.findall(r"progress: .*?, ([\d.]+) tps", log.read_text(errors="replace"))
    return float(np.median([float(tps) for tps in lines[-5:]])) if lines else 0.0


def _run(options: argparse.Namespace) -> None:
    topology = read_topology(NodeReader())
    require_two_tiers(topology)
    result = measure(options.results, topology, shared_memory=options.shared_memory)
    (options.results / RESULT).write_text(json.dumps(asdict(result), indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mmscand_lab.postgres", description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder with the cluster")
    parser.add_argument("--shared-memory", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(argv)
    return exit_status("postgres", lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
