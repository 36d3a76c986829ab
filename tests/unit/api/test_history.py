"""GET /v1/history, and the history that mmscand-api keeps while it runs."""

import os
import pwd
import stat
import time
from pathlib import Path

import pytest

from mmscand import __version__
from mmscand.api.history import kept, prepare_folder
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.control.client import ControlClient
from mmscand.control.unix_socket import listen
from mmscand.errors import MmscandError
from mmscand.history.changes import Change
from mmscand.history.reader import reading
from mmscand.history.writer import HistoryWriter
from support.curl import curl
from support.samples import sample


def test_a_period_over_http(client: ControlClient, api_path: Path, tmp_path: Path) -> None:
    file, now = tmp_path / "history.db", int(time.time())
    with HistoryWriter(file) as writer:
        for back in range(600, 0, -5):
            writer.add(now - back, sample(promoted=600 - back))
        writer.add(now - 5, None, [Change("setting", "a became b")])
    sock = listen(api_path, None)
    with sock, ApiServer(create_app(client, __version__, history=file), sock):
        code, answer = curl(api_path, "http://d/v1/history?since=5min&step=60")
        assert (code, answer["step"]) == (200, 60)
        assert len(answer["samples"]) in (5, 6)
        assert answer["samples"][-1]["status"]["counters"] == {"promoted": 595}
        assert answer["changes"] == [{"time": now - 5, "kind": "setting", "words": "a became b"}]
        code, answer = curl(api_path, "http://d/v1/history?since=365d")
        assert answer["step"] * 720 >= 365 * 86_400
        for query in ("since=soon", "since=now", "step=1", "since=" + "9" * 41):
            code, answer = curl(api_path, f"http://d/v1/history?{query}")
            assert (code, answer.keys()) == (422, {"error", "hint"})


def test_without_a_file_it_says_so(api: ApiServer, api_path: Path) -> None:
    code, answer = curl(api_path, "http://d/v1/history")
    assert (code, answer["error"]) == (404, "no history is kept")


def test_it_is_kept_while_the_program_runs(client: ControlClient, tmp_path: Path) -> None:
    file, said = tmp_path / "history.db", list[str]()
    with kept(file, client, said.append, (), must=True) as found:
        assert found == file
        deadline = time.monotonic() + 30
        while True:  # the first sample comes at once, in a thread of its own
            with reading(file) as reader:
                if list(reader.samples(0, 1 << 40)):
                    break
            assert time.monotonic() < deadline
    assert said == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_where_it_cannot_be_kept_the_rest_works(client: ControlClient, tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "none/history.db"
    with kept(file, client, said.append, (), must=False) as found:
        assert found is None
    assert said[0].startswith("no history is kept: cannot write")
    with pytest.raises(MmscandError), kept(file, client, said.append, (), must=True):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_root_makes_the_folder_for_the_user_and_the_group(tmp_path: Path) -> None:
    file = tmp_path / "mmscand-api/history.db"
    for _ in range(2):
        prepare_folder(file, "nobody", 4)
        found = file.parent.stat()
        assert (found.st_uid, found.st_gid) == (pwd.getpwnam("nobody").pw_uid, 4)
        assert stat.S_IMODE(found.st_mode) == 0o2750
