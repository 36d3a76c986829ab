"""Debian's memcached on this machine: as the load runs it, with few keys and no virtual machine."""

from pathlib import Path

from mmscand_lab.memcached import memcached_program, take_memcached
from mmscand_lab.ops import load_ops
from mmscand_lab.programs import running
from mmscand_lab.served import running_server

_LIMIT_S, _KEYS = 60.0, 1000


def test_it_runs_from_its_folder_and_the_client_reads_all_that_it_asks_for(tmp_path: Path) -> None:
    take_memcached(tmp_path)
    found, socket = memcached_program(tmp_path), tmp_path / "socket"
    argv = ["memcached", "-s", str(socket), "-m", "64", "-u", "root"]
    client = ["mmscand_lab.key_client", "--protocol", "memcached", "--socket", str(socket)]
    client += ["--keys", str(_KEYS), "--state", str(tmp_path)]
    log = tmp_path / "server.log"
    with running_server("memcached", argv, log, found.path, found.environment) as server:
        server.wait_for(socket.exists, "its socket", _LIMIT_S)
        with running("client", client, tmp_path, tmp_path / "stdout") as reader:
            reader.wait_for((tmp_path / "ready").exists, "a server with keys", _LIMIT_S)
            reader.wait_for(lambda: _reported(tmp_path), "a second of its speed", _LIMIT_S)
            server.require_alive()
            reader.stop()
    assert load_ops(tmp_path)[0, 1] > 64


def _reported(folder: Path) -> bool:
    return (folder / "ops.csv").exists() and len(load_ops(folder)) > 0
