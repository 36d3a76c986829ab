"""`mmscand top` in place of the progress, while a daemon in the guest answers."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mmscand.cli.app import INTERRUPTED
from mmscand.control.client import ControlClient
from mmscand.errors import MmscandError
from mmscand_lab.far_socket import FarSocket
from mmscand_lab.guest import mortal

_EVERY_S = "2"
"""An answer costs the emulated daemon some 50 ms of a core, 33 times what it does natively."""
_ASK_AGAIN_S = 0.5


class Screen(Protocol):
    """What has the terminal else, as rich's Live."""

    def start(self) -> None:
        """Take it."""

    def stop(self) -> None:
        """Give it up."""


@contextmanager
def top_beside(screen: Screen) -> Iterator[FarSocket]:
    """`top` has the terminal from the daemon's first answer on, until q or the context ends.

    The guest is started with the options of the socket.
    """
    with tempfile.TemporaryDirectory(prefix="mmscand-far-") as folder:
        far = FarSocket(Path(folder))
        top = _Top(screen, far.path)
        top.thread.start()
        try:
            yield far
        finally:
            far.close()  # first: nobody waits for an answer then
            top.end()


class _Top:
    """The program and the thread that waits for it."""

    def __init__(self, screen: Screen, daemon: Path) -> None:
        self._screen, self._daemon = screen, daemon
        self._over = threading.Event()
        self._program: subprocess.Popen[bytes] | None = None
        self._starts = threading.Lock()
        self.thread = threading.Thread(target=self._show, name="lab-top", daemon=True)

    def end(self) -> None:
        self._over.set()
        with self._starts:
            if self._program is not None:
                self._program.terminate()
        self.thread.join()

    def _show(self) -> None:
        while not self._answers():
            if self._over.wait(_ASK_AGAIN_S):
                return
        self._screen.stop()
        try:
            with self._starts:
                if self._over.is_set():
                    return
                self._program = subprocess.Popen(self._command())
            if self._program.wait() == INTERRUPTED:
                # Ctrl-C was for the whole program.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        finally:
            self._screen.start()

    def _command(self) -> list[str]:
        options = ("--socket", str(self._daemon), "--every", _EVERY_S)
        # TERM: top gives the terminal back as it was.
        return mortal([sys.executable, "-m", "mmscand", "top", *options], by="TERM")

    def _answers(self) -> bool:
        try:
            return bool(ControlClient(self._daemon).status())
        except MmscandError:
            return False
