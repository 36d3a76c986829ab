"""A PostgreSQL cluster for the lab: made on the host, run in the guest.

The host makes it because it is thirty times faster than an emulated guest: two tables of which each
page says what it is, one small (`hot`), one seven times larger (`cold`). It goes to the guest as an
archive, and there lives in memory. Debian's and Ubuntu's packages keep the programs below
/usr/lib/postgresql/VERSION/bin.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmscand_lab.kernel import LabError

ARCHIVE = "cluster.tar"
HOT_MARK, COLD_MARK = b"hot-page", b"coldpage"
_USER = "nobody"
"""PostgreSQL refuses to run as root, and a user of its own would be a change to the host."""
_GROUP = "nogroup"
_LIMIT_S = 900.0
_SCHEMA = (
    "create extension pg_prewarm",
    # 200 bytes a row, so that each 4 KiB page has the mark in it many times over.
    "create table hot as select i, repeat('hot-page', 25) f from generate_series(1, 32768) i",
    "create table cold as select i, repeat('coldpage', 25) f from generate_series(1, 196608) i",
    "vacuum analyze",
    "checkpoint",
)


def programs() -> Path:
    """The folder with PostgreSQL's programs; LabError when it is not installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: float(path.parents[1].name),
    )
    if not found:
        raise LabError(
            "this scenario needs PostgreSQL, not installed here",
            hint="apt-get install --no-install-recommends postgresql",
        )
    return found[-1].parent


def as_user(argv: Sequence[str]) -> list[str]:
    """The command, run as the user that owns the cluster."""
    return ["setpriv", f"--reuid={_USER}", f"--regid={_GROUP}", "--clear-groups", *argv]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster in a folder, with its socket beside it."""

    folder: Path

    def server(self, shared_buffers_mib: int) -> list[str]:
        """The command that serves it in the foreground. No fsync: nothing in it is worth it."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "shared_buffers": f"{shared_buffers_mib}MB",
            "huge_pages": "off",
            "fsync": "off",
            "autovacuum": "off",
            "jit": "off",
            "max_parallel_workers_per_gather": "0",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return as_user([str(programs() / "postgres"), "-D", str(self.folder / "data"), *settings])

    def client(self, program: str, *arguments: str) -> list[str]:
        """A client program that talks to it."""
        own = [str(programs() / program), "-h", str(self.folder), "-U", "bench"]
        return as_user([*own, *arguments, "postgres"])

    def sql(self, *statements: str) -> str:
        """Run statements in one session; what they print. Raises LabError."""
        words = [word for statement in statements for word in ("-c", statement)]
        return _run(self.client("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *words))


@contextmanager
def _own_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mmscand-pg-"))
    try:
        shutil.chown(folder, _USER, _GROUP)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_archive(results: Path, schema: Sequence[str] = _SCHEMA) -> Path:
    """Make a cluster by these statements, pack it into the results folder. LabError; 2 s."""
    archive = results / ARCHIVE
    with _own_folder() as folder:
        cluster, data = Cluster(folder), str(folder / "data")
        control = [str(programs() / "pg_ctl"), "-D", data, "-w"]
        init = ["-U", "bench", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8"]
        # Small log segments: the archive is a third of the size.
        init += ["--wal-segsize=1"]
        _run(as_user([str(programs() / "initdb"), "-D", data, *init]))
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_wal_size=8MB"
        _run(as_user([*control, "-o", options, "-l", str(folder / "log"), "start"]))
        try:
            cluster.sql(*schema)
        finally:
            _run(as_user([*control, "-m", "fast", "stop"]))
        _run(["tar", "-C", str(folder), "-cf", str(archive), "data"])
    return archive


def unpack(results: Path, folder: Path) -> Cluster:
    """The cluster of the results folder, unpacked into an empty folder."""
    shutil.chown(folder, _USER, _GROUP)
    _run(["tar", "-C", str(folder), "-xpf", str(results / ARCHIVE)])
    return Cluster(folder)


def _run(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(f"{Path(argv[0]).name} took longer than {_LIMIT_S:g} s") from None
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise LabError(f"{' '.join(argv[:6])} failed: {reason}")
    return done.stdout
