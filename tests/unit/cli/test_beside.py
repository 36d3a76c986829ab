"""mmscand-api beside the daemon: it is reported when it ends, and is ended."""

import sys
import threading
from pathlib import Path

import pytest

from mmscand.cli.beside import api_beside, api_command, require_group_for_api
from mmscand.config import Config
from mmscand.errors import UsageError
from mmscand.scan.rules import Rules
from mmscand.settings import Settings


def test_it_has_to_have_a_group_and_a_socket() -> None:
    config = Config(Settings(), Rules(), socket=Path("/run/x.sock"), group="adm")
    require_group_for_api(config, control=True)
    assert api_command(config)[3:] == ["--daemon", "/run/x.sock", "--group", "adm"]
    with pytest.raises(UsageError, match="control socket"):
        require_group_for_api(config, control=False)
    with pytest.raises(UsageError, match="group"):
        require_group_for_api(Config(Settings(), Rules()), control=True)


def test_when_it_ends_by_itself_that_is_said() -> None:
    said, heard = list[str](), threading.Event()

    def say(text: str) -> None:
        said.append(text)
        heard.set()

    with api_beside([sys.executable, "-c", "raise SystemExit(3)"], say):
        assert heard.wait(30)
    assert said == ["mmscand-api has ended with 3: there is no HTTP API"]


def test_it_is_ended_and_does_not_speak_to_the_service_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/none")
    ready, said = tmp_path / "ready", list[str]()
    code = (
        "import os, pathlib, signal, sys\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "file.write_text(str(os.environ.get('NOTIFY_SOCKET')))\n"
        "signal.sigwait([signal.SIGTERM])\n"
        "file.write_text('in order')"
    )
    with api_beside([sys.executable, "-c", code, str(ready)], said.append):
        while not ready.exists() or not ready.read_text():
            pass
        assert ready.read_text() == "None"
    assert ready.read_text() == "in order"
    assert said == []
