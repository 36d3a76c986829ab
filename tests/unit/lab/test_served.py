"""What is read of servers, and the client of one of them, with a server that the test plays."""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from mmscand_lab import served
from mmscand_lab.kernel import LabError
from mmscand_lab.ops import OpsLog, load_ops
from mmscand_lab.redis_client import VALUE_BYTES, answer_size, request

NUMA_MAPS = """\
55d0 default file=/usr/bin/redis-server mapped=9 mapmax=2 N0=9 kernelpagesize_kB=4
55e0 default heap anon=7 dirty=7 N0=2 N1=5 kernelpagesize_kB=4
7f00 default anon=100 dirty=100 N1=100 kernelpagesize_kB=4
7f10 default file=/dev/zero\\040(deleted) mapped=30 N0=10 N1=20 kernelpagesize_kB=4
7f20 default
"""


def test_memory_is_what_no_file_is_behind() -> None:
    assert served.memory_by_node(NUMA_MAPS) == {0: 12, 1: 125}
    assert served.memory_by_node("") == {}


def test_pgbench_logs_become_seconds_of_transactions() -> None:
    first = "0 1 2000 0 1000 100000\n0 2 4000 0 1000 900000\n0 3 5000 0 1001 500000\n0 4 60"
    second = "1 1 6000 0 1001 400000\n"
    rows = served.ops_of_logs([first, second], -900.0)
    assert rows[:, :2].tolist() == [[101, 2], [102, 2]]
    assert rows[:, 2] == pytest.approx([4, 6], rel=0.02)
    assert served.ops_of_logs(["", "0 1"], 0.0).shape == (0, 3)


def test_the_script_reads_one_row_by_zipf_and_seed() -> None:
    script = served.pgbench_script(1000, 7)
    assert "random_zipfian(1, 1000, 1.01)" in script
    assert "permute(:r, 1000, 7)" in script
    assert script.count("select") == 1


def test_redis_is_found_by_either_of_its_names_or_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = {"redis-check-rdb": "/usr/bin/redis-check-rdb"}
    monkeypatch.setattr(served.shutil, "which", here.get)
    assert served.redis_image() == "/usr/bin/redis-check-rdb"
    here.clear()
    with pytest.raises(LabError, match="not installed") as caught:
        served.redis_image()
    assert "redis-tools" in caught.value.hint


def test_seconds_of_blocks_are_lines_that_come_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = [10.0]
    monkeypatch.setattr("mmscand_lab.ops.time.monotonic", lambda: now[0])
    log = OpsLog(tmp_path)
    for _ in range(9):
        now[0] += 0.25
        assert log.add(100) == now[0]
    log.close()
    assert load_ops(tmp_path).tolist() == [[11, 400, 250], [12, 400, 250]]


def test_requests_are_as_the_protocol_has_them() -> None:
    assert request("GET", "key:10") == b"*2\r\n$3\r\nGET\r\n$6\r\nkey:10\r\n"
    assert answer_size(5) == len(b"$5\r\nhello\r\n")


class Server(threading.Thread):
    """Answers one client as Redis would; `asked` counts each key."""

    def __init__(self, path: Path, populated: bytes) -> None:
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.populated = populated
        self.asked = np.zeros(100, dtype=np.int64)

    def run(self) -> None:
        connection, _ = self.listener.accept()
        # The client goes away in the middle of an answer.
        with suppress(ConnectionError), self.listener, connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        with connection.makefile("rwb") as stream:
            value = b"$%d\r\n%s\r\n" % (VALUE_BYTES, b"x" * VALUE_BYTES)
            while count := stream.readline()[1:].strip():
                words = [stream.read(int(stream.readline()[1:]) + 2) for _ in range(int(count))]
                if words[0].startswith(b"DEBUG"):
                    stream.write(self.populated)
                else:
                    self.asked[int(words[1][4:])] += 1
                    stream.write(value)
                if self.asked.sum() % 64 == 0:
                    stream.flush()


def client(tmp_path: Path) -> list[str]:
    argv = [sys.executable, "-m", "mmscand_lab.redis_client", "--keys", "100"]
    return [*argv, "--socket", str(tmp_path / "sock"), "--state", str(tmp_path)]


def test_the_client_reads_all_keys_the_hot_ones_most_and_tells_its_speed(tmp_path: Path) -> None:
    server = Server(tmp_path / "sock", b"+OK\r\n")
    server.start()
    with subprocess.Popen(client(tmp_path)) as process:
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


def test_a_server_that_makes_no_keys_is_told_in_one_line(tmp_path: Path) -> None:
    server = Server(tmp_path / "sock", b"-ERR DEBUG command not allowed\r\n")
    server.start()
    done = subprocess.run(client(tmp_path), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "redis_client: the server said -ERR DEBUG command not allowed\n"
