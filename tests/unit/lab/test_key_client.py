"""The client of servers with keys, with servers that the test plays."""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from mmscand_lab.key_protocols import VALUE_BYTES
from mmscand_lab.ops import load_ops

KEYS, VALUE = 100, b"x" * VALUE_BYTES


class Server(threading.Thread):
    """Answers one client; `asked` counts each key. `said` is what it says once it is filled."""

    def __init__(self, path: Path, said: bytes) -> None:
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.said = said
        self.asked = np.zeros(KEYS, dtype=np.int64)

    def run(self) -> None:
        connection, _ = self.listener.accept()
        # The client goes away in the middle of an answer.
        with (
            suppress(ConnectionError),
            self.listener,
            connection,
            connection.makefile("rwb") as file,
        ):
            while line := file.readline():
                self.answer(line, file)

    def answer(self, line: bytes, stream: BinaryIO) -> None:
        raise NotImplementedError


class Redis(Server):
    """An answer is `$LENGTH`, and the value."""

    def answer(self, line: bytes, stream: BinaryIO) -> None:
        words = [stream.read(int(stream.readline()[1:]) + 2) for _ in range(int(line[1:]))]
        if words[0].startswith(b"DEBUG"):
            assert words[1:3] == [b"POPULATE\r\n", b"100\r\n"]
            stream.write(self.said)
        else:
            self.asked[int(words[1][4:])] += 1
            stream.write(b"$%d\r\n%s\r\n" % (VALUE_BYTES, VALUE))
        if self.asked.sum() % 64 == 0:
            stream.flush()


class Memcached(Server):
    """An answer is a line and the value for each key, and `END`."""

    def __init__(self, path: Path, said: bytes) -> None:
        super().__init__(path, said)
        self.values: dict[bytes, bytes] = {}

    def answer(self, line: bytes, stream: BinaryIO) -> None:
        command, *words = line.split()
        if command == b"set":
            assert words[1:] == [b"0", b"0", b"%d" % VALUE_BYTES, b"noreply"]
            self.values[words[0]] = stream.read(VALUE_BYTES + 2)
            return
        for word in words:
            self.asked[int(word[4:])] += 1
            stream.write(b"VALUE %s 0 %d\r\n%s" % (word, VALUE_BYTES, self.values[word]))
        if command == b"stats":
            stream.write(self.said or b"STAT curr_items %d\r\n" % len(self.values))
        stream.write(b"END\r\n")
        stream.flush()


SERVERS: dict[str, tuple[type[Server], bytes]] = {
    "redis": (Redis, b"+OK\r\n"),
    "memcached": (Memcached, b""),
}


def client(protocol: str, tmp_path: Path) -> list[str]:
    argv = [sys.executable, "-m", "mmscand_lab.key_client", "--protocol", protocol]
    argv += ["--keys", str(KEYS)]
    return [*argv, "--socket", str(tmp_path / "sock"), "--state", str(tmp_path)]


@pytest.mark.parametrize("protocol", list(SERVERS))
def test_the_client_reads_all_keys_the_hot_ones_most_and_reports_its_speed(
    protocol: str, tmp_path: Path
) -> None:
    kind, said = SERVERS[protocol]
    server = kind(tmp_path / "sock", said)
    server.start()
    with subprocess.Popen(client(protocol, tmp_path)) as process:
        deadline = time.monotonic() + 30
        while server.asked.sum() < 5000 or not len(load_ops(tmp_path)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert (tmp_path / "ready").exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    ranked = np.sort(server.asked)[::-1]
    assert ranked[-1] > 0
    assert ranked[0] / server.asked.sum() == pytest.approx(0.19, abs=0.03)
    assert load_ops(tmp_path)[0, 1] > 64


@pytest.mark.parametrize(
    ("protocol", "said", "reported"),
    [
        (
            "redis",
            b"-ERR DEBUG command not allowed\r\n",
            "the server said -ERR DEBUG command not allowed",
        ),
        ("memcached", b"STAT curr_items 7\r\n", "the server has 7 keys of 100"),
        ("memcached", b"ERROR\r\n", "the server has no keys of 100"),
    ],
)
def test_a_server_that_has_not_the_keys_is_reported_in_one_line(
    protocol: str, said: bytes, reported: str, tmp_path: Path
) -> None:
    server = SERVERS[protocol][0](tmp_path / "sock", said)
    server.start()
    argv = client(protocol, tmp_path)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == f"key_client: {reported}\n"
