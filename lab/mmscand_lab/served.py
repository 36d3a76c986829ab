"""Servers from Debian as loads, with clients that draw keys by a zipf law: here PostgreSQL.

Those that keep keys in memory are in `key_servers`, and use what is here too. Nobody knows which of
their pages are hot. The figures are the share of their memory that is on the top tier,
and the speed of their clients.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmscand.model import Topology
from mmscand_lab.numa import migrate, preferring
from mmscand_lab.pg_cluster import make_archive, unpack
from mmscand_lab.pg_server import served, session
from mmscand_lab.place import Place
from mmscand_lab.programs import Program

START_LIMIT_S = 900.0
"""Ends what hangs; in emulation a server with its keys takes minutes at worst."""
# 100 MiB of table and index: three times the room, and a third of that again in its files.
_PG_ROWS = 330_000
_PG_BUFFERS_MIB = 128
_PG_CLIENTS = 2
#: The least that pgbench takes is 1.001; 1.01 is nearest to the 0.99 of the others.
_PG_EXPONENT = 1.01
_PG_SCHEMA = (
    "create extension pg_prewarm",
    "create table records as select i, repeat(md5(i::text), 8) f"
    f" from generate_series(1, {_PG_ROWS}) i",
    "create unique index records_i on records (i)",
    "vacuum analyze",
    "checkpoint",
)


@dataclass(frozen=True, slots=True)
class Served:
    """A server at work; `mapper` is the process that maps its memory, `read` has its speed."""

    program: Program
    mapper: int
    options: tuple[str, ...]
    topology: Topology
    read: Callable[[], npt.NDArray[np.float64]]
    best: float | None = None

    @property
    def pid(self) -> int:
        """Of the server; its children are its own."""
        return self.program.process.pid

    def level(self) -> float:
        """Share of its memory that is on the top tier."""
        nodes = memory_by_node(Path(f"/proc/{self.mapper}/numa_maps").read_text(encoding="utf-8"))
        return sum(nodes[node] for node in self.topology.fast) / max(1, nodes.total())

    def change(self) -> None:
        """Nothing happens to it halfway."""

    def end(self) -> dict[str, float]:
        """Which pages should not be up is not known."""
        return {}

    def ops(self) -> npt.NDArray[np.float64]:
        """Rows as `load_ops` has."""
        return self.read()

    def require_alive(self) -> None:
        """LabError when it has ended."""
        self.program.require_alive()


def memory_by_node(text: str) -> Counter[int]:
    """Pages on each node, from numa_maps(5): anonymous ones, and shared ones without a file."""
    nodes: Counter[int] = Counter()
    for line in text.splitlines():
        if "file=" not in line or "file=/dev/zero" in line:
            for node, count in re.findall(r"\bN(\d+)=(\d+)", line):
                nodes[int(node)] += int(count)
    return nodes


@contextmanager
def running_server(
    name: str,
    argv: Sequence[str],
    log: Path,
    image: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """A child that is dead when the context ends; its memory is where it wants it.

    `image` is its file where that is not the first word; `environment` is added to ours.
    """
    env = {**os.environ, **(environment or {})}
    with log.open("wb") as out, preferring(None):
        process = subprocess.Popen(
            argv, executable=image, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield Program(name, process, log)
    finally:
        process.kill()
        process.wait()


def make_records(results: Path) -> Path:
    """On the host: the cluster that `postgres` serves."""
    return make_archive(results, _PG_SCHEMA)


@contextmanager
def postgres(place: Place) -> Iterator[Served]:
    """A PostgreSQL server whose buffers are on the slow node, read by pgbench."""
    (fast, slow), state = (min(place.topology.fast), max(place.topology.slow)), place.folder
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        with preferring(slow):  # the files are in memory too, and must not take the room
            cluster = unpack(place.folder.parent, folder)
        script = folder / "read.sql"
        script.write_text(pgbench_script(_PG_ROWS, place.seed))
        script.chmod(0o644)
        with (
            served(cluster, _PG_BUFFERS_MIB, state / "postgres.log") as server,
            session(cluster, "records", "records_i") as backend,
        ):
            migrate(backend, fast, slow)
            place.speeds.slow_down_process(backend)
            argv = ["-n", "-M", "prepared", "-c", str(_PG_CLIENTS), "-j", str(_PG_CLIENTS)]
            argv += ["-T", "600", "-l", "--log-prefix", str(folder / "log")]
            argv += ["--random-seed", str(place.seed), "-f", str(script)]
            clients = cluster.client("pgbench", *argv)
            with running_server("pgbench", clients, state / "pgbench.txt") as bench:
                bench.wait_for(lambda: _begun(folder), "its first transactions", START_LIMIT_S)
                # Buffers are shared memory: off by default, and nothing else is there to move.
                options = ("--match", "^postgres", "--set", "shared_memory=true")
                yield Served(server, backend, options, place.topology, lambda: _pg_ops(folder))


def pgbench_script(rows: int, seed: int) -> str:
    """One row by its key; hot keys lie anywhere in the table, where is up to the seed."""
    return (
        f"\\set r random_zipfian(1, {rows}, {_PG_EXPONENT})\n"
        f"\\set i 1 + permute(:r, {rows}, {seed})\n"
        "select f from records where i = :i;\n"
    )


def _begun(folder: Path) -> bool:
    """Whether pgbench has reported transactions: before, it connects and prepares."""
    return any(path.stat().st_size for path in folder.glob("log.*"))


def _pg_ops(folder: Path) -> npt.NDArray[np.float64]:
    logs = [path.read_text(encoding="ascii") for path in sorted(folder.glob("log.*"))]
    return ops_of_logs(logs, time.monotonic() - time.time())


def ops_of_logs(logs: Iterable[str], offset: float) -> npt.NDArray[np.float64]:
    """Rows as `load_ops` has, from pgbench's logs of transactions: a block is a transaction.

    `offset` is what CLOCK_MONOTONIC has more than their clock. The last line of each may be cut.
    """
    whole = "".join(text[: text.rfind("\n") + 1] for text in logs).split()
    fields = np.array(whole, dtype=np.float64).reshape(-1, 6)
    at, taken_ms = fields[:, 4] + fields[:, 5] / 1e6 + offset, fields[:, 2] / 1000
    seconds = np.ceil(at)
    return np.array(
        [
            (
                second,
                np.count_nonzero(seconds == second),
                np.percentile(taken_ms[seconds == second], 99),
            )
            for second in np.unique(seconds)
        ],
        dtype=np.float64,
    ).reshape(-1, 3)
