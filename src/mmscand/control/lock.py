"""One daemon a machine: a locked file that says who has it."""

import fcntl
import json
import os
import time
from pathlib import Path

from mmscand.errors import MachineCannot, MmscandError


class DaemonLock:
    """An flock: the kernel gives it back whenever its holder ends, also after kill -9."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
            finally:
                if self._fd < 0:
                    os.close(fd)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        os.ftruncate(self._fd, 0)
        text = json.dumps({"pid": os.getpid(), "started": started, "serves": serves})
        os.pwrite(self._fd, text.encode(), 0)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise MachineCannot(
                f"cannot write {self._path}: {error.strerror}",
                hint="run as root, or name another socket",
            ) from None

    def _is_at_path(self, fd: int) -> bool:
        """False when its last holder removed the file between our open and our lock."""
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except FileNotFoundError:
            return False

    def _taken(self, fd: int) -> MmscandError:
        try:
            holder = json.loads(os.pread(fd, 4096, 0))
            who = f"as pid {holder['pid']} on {holder['serves']} since {holder['started']}"
        except (ValueError, KeyError, TypeError):
            who = "and is just starting"  # it has the lock, but has not said who it is yet
        return MmscandError(
            f"mmscand already runs {who}", hint="stop it first, or use it: `mmscand status`"
        )

    def release(self) -> None:
        """Give it back and leave no file behind. More than once is once."""
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)  # still locked: whoever opened it looks again
            os.close(self._fd)
            self._fd = -1
