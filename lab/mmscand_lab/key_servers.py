"""Redis and memcached as loads, whose keys one client reads by a zipf law."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmscand_lab.kernel import LabError
from mmscand_lab.memcached import memcached_program
from mmscand_lab.numa import migrate
from mmscand_lab.ops import load_ops
from mmscand_lab.place import Place
from mmscand_lab.programs import running
from mmscand_lab.served import START_LIMIT_S, Served, running_server

# 220 MiB with values of 1000 bytes: seven times the room.
_KEYS = 180_000
# More than that needs: memcached drops no key.
_MEMCACHED_MIB = 1024


def redis_image() -> str:
    """The server's program; LabError when it is not installed.

    Debian has it in redis-tools too, where it is the checker of dumps: one program that goes by its
    name. So no service need be installed.
    """
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if found is None:
        raise LabError(
            "this workload needs Redis, not installed here",
            hint="apt-get install --no-install-recommends redis-tools",
        )
    return found


@contextmanager
def redis(place: Place) -> Iterator[Served]:
    """A Redis server, moved to the slow node, whose keys are read by one client."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        socket = Path(folder) / "socket"
        argv = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""]
        argv += ["--dir", folder, "--enable-debug-command", "yes"]
        with _read_by_client(place, "redis", argv, socket, redis_image()) as server:
            yield server


@contextmanager
def memcached(place: Place) -> Iterator[Served]:
    """A memcached server, moved to the slow node, whose keys are read by one client."""
    found = memcached_program(place.folder.parent)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        socket = Path(folder) / "socket"
        # Of root it wants to hear which user is meant.
        argv = ["memcached", "-s", str(socket), "-m", str(_MEMCACHED_MIB), "-u", "root"]
        with _read_by_client(
            place, "memcached", argv, socket, found.path, found.environment
        ) as server:
            yield server


@contextmanager
def _read_by_client(
    place: Place,
    protocol: str,
    argv: Sequence[str],
    socket: Path,
    image: str | Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    (fast, slow), state = (min(place.topology.fast), max(place.topology.slow)), place.folder
    client = ["mmscand_lab.key_client", "--protocol", protocol, "--socket", str(socket)]
    client += ["--keys", str(_KEYS), "--seed", str(place.seed), "--state", str(state)]
    (state / "ready").unlink(missing_ok=True)
    with running_server(protocol, argv, state / "server.log", image, environment) as server:
        server.wait_for(socket.exists, "its socket", START_LIMIT_S)
        with running("client", client, state, state / "client-stdout.txt") as reader:
            reader.wait_for((state / "ready").exists, "a server with keys", START_LIMIT_S)
            pid = server.process.pid
            migrate(pid, fast, slow)
            place.speeds.slow_down_process(pid)
            options = ("--pid", str(pid))
            yield Served(server, pid, options, place.topology, lambda: load_ops(state))
            reader.stop()
