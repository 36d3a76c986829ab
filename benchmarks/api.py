"""Whether clients of mmscand-api are disturbed by others that behave badly, over TCP.

First nobody else is connected; then a hundred clients have sent half a request, some send bodies
of 10 MB again and again, and some ask for much and read nothing. The daemon is simulated;
mmscand-api and the bad clients are processes of their own. The times are of whole requests, each on
a new connection.
"""

import argparse
import http.client
import multiprocessing
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks import tell
from benchmarks.start import simulated_daemon
from mmscand.errors import MmscandError
from mmscand_lab.ending import exit_status

_HALF, _LARGE, _READERS = 100, 4, 10
_BODY = b"x" * 10_000_000
_HEAD = b"PATCH /v1/knobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
_TOKEN = b"0123456789abcdef"
_TIMEOUT_S = 30.0


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """mmscand-api in front of a simulated daemon; its port."""
    daemon, token = folder / "mmscand.sock", folder / "token"
    token.touch(mode=0o600)
    token.write_bytes(_TOKEN)
    words = ["--socket", str(folder / "api.sock"), "--daemon", str(daemon), "--listen"]
    words += ["127.0.0.1:0", "--token-file", str(token), "--no-history"]
    # Not by its command: root would need a group that may use the daemon's socket.
    code = "import os, sys; os.geteuid = lambda: 1\nfrom mmscand.api.command import main\n"
    command = [sys.executable, "-c", f"{code}sys.exit(main(sys.argv[1:]))", *words]
    with simulated_daemon(daemon), subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            found = re.search(rb":(\d+); stop", process.stdout.readline())
            if found is None:
                raise MmscandError("mmscand-api does not start", hint="try it in a terminal")
            yield int(found[1])
        finally:
            process.terminate()


def connection(port: int, sent: bytes) -> socket.socket:
    """A client that has sent this."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
    sock.sendall(sent)
    return sock


def send_large(port: int, done: Event, bodies: "Synchronized[int]") -> None:
    """Bodies of 10 MB, one after the other."""
    large = _HEAD % _TOKEN + b"Content-Length: %d\r\n\r\n" % len(_BODY)
    while not done.is_set():
        with suppress(OSError), closing(connection(port, large)) as sock:
            with bodies.get_lock():
                bodies.value += 1
            sock.sendall(_BODY)


@contextmanager
def bad_clients(port: int) -> Iterator["Synchronized[int]"]:
    """All of them, until the end of the context; gives the number of large bodies so far."""
    done, bodies = multiprocessing.Event(), multiprocessing.Value("i", 0)
    arguments = (port, done, bodies)
    senders = [multiprocessing.Process(target=send_large, args=arguments) for _ in range(_LARGE)]
    with ExitStack() as opened:
        much = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50
        for sent in [b"GET /v1/sta"] * _HALF + [much] * _READERS:
            opened.enter_context(closing(connection(port, sent)))
        for each in senders:
            each.start()
        try:
            yield bodies
        finally:
            done.set()
            for each in senders:
                each.join()


def times_ms(port: int, requests: int) -> list[float]:
    """Of requests one after the other."""
    found = []
    for _ in range(requests):
        began = time.perf_counter()
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)) as client:
            client.request("GET", "/v1/status")
            if client.getresponse().status != 200:
                raise MmscandError("a request was refused", hint="look at /v1/status")
        found.append((time.perf_counter() - began) * 1000)
    return found


def figures(requests: int) -> dict[str, object]:
    """Times by name, in ms."""
    found: dict[str, object] = {}

    def add(name: str, times: list[float]) -> None:
        found[f"{name}: median ms"] = round(statistics.median(times), 2)
        found[f"{name}: 99 % within ms"] = round(sorted(times)[int(len(times) * 0.99) - 1], 2)
        found[f"{name}: longest ms"] = round(max(times), 2)

    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as port:
        times_ms(port, 10)
        add("alone", times_ms(port, requests))
        with bad_clients(port) as bodies:
            add("beside bad clients", times_ms(port, requests))
            found["bodies of 10 MB meanwhile"] = bodies.value
    return found


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench api", description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="of each kind")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    return exit_status("bench api", lambda: tell(figures(options.requests), options.json))


if __name__ == "__main__":
    sys.exit(main())
