"""A Debian release in a folder, made by mmdebstrap, with processes of its own."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ENTER = """
mount --make-rprivate /
mount -t proc proc "$0/proc"
mount --rbind /sys "$0/sys"
mount --rbind /dev "$0/dev"
exec chroot "$0" "$@"
"""
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LIMIT_S = 600
_READY_LIMIT_S = 60.0


class DebianRoot:
    """What is in the folder, and commands in it. They see no process of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def made(cls, release: str, folder: Path, variant: str = "apt") -> "DebianRoot":
        """As a minimal installation is, with apt and its lists; `minbase` is as images are."""
        command = ["mmdebstrap", "--quiet", f"--variant={variant}", "--skip=cleanup/apt/lists"]
        subprocess.run([*command, release, str(folder)], check=True, timeout=_LIMIT_S)
        return cls(folder)

    def run(self, *command: str, code: int = 0) -> str:
        """What it prints; it has to end with this exit code."""
        done = subprocess.run(
            self._entered(*command),
            env={"PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        assert done.returncode == code, done.stdout[-2000:]
        return done.stdout

    def install(self, *packages: Path) -> str:
        """With what they depend on, by one command."""
        names = []
        for package in packages:
            shutil.copy(package, self.folder / "root")
            names.append(f"/root/{package.name}")
        return self.run("apt-get", "install", "--yes", "--no-install-recommends", *names)

    def mib(self) -> float:
        """Of all files, without the packages that apt keeps for another time."""
        self.run("apt-get", "clean")
        done = subprocess.run(
            ["du", "-skx", str(self.folder)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout.split()[0]) / 1024

    def named(self, word: str) -> set[str]:
        """Paths with this word in their name; not those of apt and of logs."""
        inside = (path.relative_to(self.folder) for path in self.folder.rglob(f"*{word}*"))
        return {
            str(path) for path in inside if not str(path).startswith(("root/", "var/log/", "proc/"))
        }

    @contextmanager
    def started(self, unit: str) -> Iterator[str]:
        """The command of a unit in the foreground, until it is ready; the line of its status.

        In the end it gets SIGTERM, and has to end well.
        """
        text = (self.folder / "usr/lib/systemd/system" / unit).read_text()
        lines = (line for line in text.splitlines() if line.startswith("ExecStart="))
        command = next(lines).removeprefix("ExecStart=").split()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(self.folder / "run/notify"))
            (self.folder / "run/notify").chmod(0o666)  # it may have become another user
            ready.settimeout(_READY_LIMIT_S)
            environment = {"PATH": _PATH, "NOTIFY_SOCKET": "/run/notify"}
            process = subprocess.Popen(self._entered(*command), env=environment)
            try:
                said = ready.recv(4096).decode().splitlines()
                assert "READY=1" in said
                yield next(
                    (line.removeprefix("STATUS=") for line in said if line.startswith("STATUS=")),
                    "",
                )
                # The first process of a namespace only gets signals that it handles.
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
                os.kill(int(children.split()[0]), signal.SIGTERM)
                assert process.wait(timeout=_READY_LIMIT_S) == 0
            finally:
                process.kill()  # and with it all that it started
                process.wait()
                (self.folder / "run/notify").unlink()

    def _entered(self, *command: str) -> list[str]:
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*namespaces, "sh", "-ec", _ENTER, str(self.folder), *command]
