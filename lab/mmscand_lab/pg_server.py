"""A PostgreSQL server at work in the guest, on a cluster of `mmscand_lab.pg_cluster`."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmscand_lab.numa import preferring
from mmscand_lab.pg_cluster import Cluster
from mmscand_lab.programs import Program

_CGROUP = Path("/sys/fs/cgroup/mmscand-postgres")
_START_LIMIT_S = 900.0


@contextmanager
def served(cluster: Cluster, buffers_mib: int, log: Path) -> Iterator[Program]:
    """The server in a cgroup of its own, as a service would be."""
    (_CGROUP.parent / "cgroup.subtree_control").write_text("+memory")
    _CGROUP.mkdir(exist_ok=True)
    join = 'echo $$ > "$0"/cgroup.procs; exec "$@"'
    argv = ["sh", "-c", join, str(_CGROUP), *cluster.server(buffers_mib)]
    with log.open("wb") as out, preferring(None):
        process = subprocess.Popen(argv, stdout=out, stderr=out)
    with process as server:
        try:
            program = Program("PostgreSQL server", server, log)
            started = (cluster.folder / ".s.PGSQL.5432").exists
            program.wait_for(started, "its socket", _START_LIMIT_S)
            yield program
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown


@contextmanager
def session(cluster: Cluster, *tables: str) -> Iterator[int]:
    """A client that stays connected, with these tables in its buffers; the pid of its backend."""
    argv = cluster.client("psql", "-X", "-q", "-A", "-t")
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        for table in tables:
            client.stdin.write(f"select pg_prewarm('{table}', 'buffer');\n")
            client.stdout.readline()
        client.stdin.write("select pg_backend_pid();\n")
        yield int(client.stdout.readline())
        client.stdin.close()
