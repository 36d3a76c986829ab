"""One daemon a machine: a locked file that says who has it."""

import fcntl
import json
import os
import time
from pathlib import Path

from mmscand.control.causes import cannot
from mmscand.errors import MmscandError
from mmscand.shown import json_text


class DaemonLock:
    """An flock: the kernel gives it back whenever its holder ends, also after kill -9."""

    def __init__(self, path: Path, elsewhere: str = "") -> None:
        """`elsewhere` says how to have it at another path, where that can be."""
        self._path = path
        self._elsewhere = elsewhere
        self._fd = -1

    def acquire(self, serves: str) -> None:
        """Take it, and write down who we are; MmscandError when another daemon has it."""
        while self._fd < 0:
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_at_path(fd):
                    self._fd = fd
            except BlockingIOError:
                raise self._taken(fd) from None
            except OSError as error:
                raise cannot("lock", self._path, error, self._elsewhere) from None
            finally:
                if self._fd < 0:
                    os.close(fd)
        try:
            self._sign(serves)
        except OSError as error:
            self.release()
            raise cannot("write", self._path, error, self._elsewhere) from None

    def _sign(self, serves: str) -> None:
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        text = json_text({"pid": os.getpid(), "started": started, "serves": serves})
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise cannot("write", self._path, error, self._elsewhere) from None

    def _is_at_path(self, fd: int) -> bool:
        """False when its last holder removed the file between our open and our lock."""
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except FileNotFoundError:
            return False

    def _taken(self, fd: int) -> MmscandError:
        try:
            holder = json.loads(os.pread(fd, 4096, 0))
            pid, serves, started = holder["pid"], f"{holder['serves']}", holder["started"]
            os.kill(pid, 0)
        except (ValueError, KeyError, TypeError, OverflowError, ProcessLookupError):
            # The holder has not written its pid yet, or the text is of a daemon that was killed.
            return MmscandError(
                f"mmscand already runs and is just starting, or another program holds {self._path}",
                hint=f"try again; `fuser -v {self._path}` says which it is",
            )
        except OSError:  # not ours, and there
            pass
        use = f", or use it: `mmscand status --socket {serves}`" if serves.startswith("/") else ""
        return MmscandError(
            f"mmscand already runs as pid {pid} on {serves} since {started}",
            hint=f"stop it first (kill {pid}){use}",
        )

    def release(self) -> None:
        """Give it back and leave no file behind. More than once is once."""
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)  # still locked: a program that opened it looks again
            os.close(self._fd)
            self._fd = -1
