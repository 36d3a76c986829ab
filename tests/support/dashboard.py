"""A daemon on the simulated machine, and mmscand-api's server over TCP: its page to look at."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from mmscand import __version__
from mmscand.api.guard import Rights
from mmscand.api.history import kept
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.api.tcp import Address, listen_tcp
from mmscand.control.client import ControlClient

_TESTS = Path(__file__).resolve().parents[1]
SHIFT_S = 20.0
_BLOCK_PAGES = 512


class World:
    """Both can be stopped and started again; the address stays."""

    def __init__(self, folder: Path, shift_s: float = SHIFT_S) -> None:
        self.folder = folder
        self._socket = folder / "daemon.sock"
        self._shift_s = shift_s
        self._daemon: subprocess.Popen[str] | None = None
        self._api: ExitStack | None = None
        self._address = Address("127.0.0.1", 0)

    @property
    def url(self) -> str:
        """Of the page."""
        return f"{self._address.url}/"

    def __enter__(self) -> Self:
        self.start_daemon()
        self.start_api()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_api()
        self.stop_daemon()

    def start_daemon(self) -> None:
        """It answers when this returns."""
        words = ["-m", "support.simulated_daemon", str(self._socket), "--processes", "3"]
        self._daemon = subprocess.Popen(
            [sys.executable, *words, "--shift", str(self._shift_s), "--block", str(_BLOCK_PAGES)],
            cwd=_TESTS,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._daemon.stdout is not None
        assert self._daemon.stdout.readline() == "ready\n"

    def stop_daemon(self) -> None:
        """As a crash: nothing is tidied up."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.communicate()
        self._daemon = None

    def start_api(self) -> None:
        """It accepts connections when this returns."""
        client, opened = ControlClient(self._socket), ExitStack()
        file = self.folder / "history.db"
        history = opened.enter_context(kept(file, client, lambda words: None, (), must=True))
        sock, self._address = listen_tcp(self._address)
        opened.enter_context(sock)
        app = create_app(client, __version__, Rights(), history=history)
        opened.enter_context(ApiServer(app, sock))
        self._api = opened

    def stop_api(self) -> None:
        """All its connections end."""
        if self._api is not None:
            self._api.close()
        self._api = None


@contextmanager
def for_people(folder: Path, warm_s: float) -> Iterator[World]:
    """After it has run for so long, as pictures of a start show little."""
    with World(folder) as world:
        time.sleep(warm_s)
        yield world
