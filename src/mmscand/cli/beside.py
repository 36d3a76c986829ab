"""mmscand-api beside `mmscand run`: a process of its own, which gives up its rights."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mmscand.config import Config
from mmscand.errors import UsageError

_END_S = 5.0
"""It ends within a second or two."""
_MANAGERS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""The daemon reports its state to the service manager, nobody else."""


def require_group_for_api(config: Config, *, control: bool) -> None:
    """UsageError where mmscand-api could not use the daemon's socket."""
    if not control:
        raise UsageError("--api needs the control socket", hint="leave --no-control out")
    if config.group is None:
        raise UsageError(
            "--api: mmscand-api has no rights but those of a group",
            hint='name one in [control] of /etc/mmscand.toml, as group = "adm"',
        )


def api_command(config: Config) -> list[str]:
    """What starts it; it becomes `nobody` and a member of the group."""
    words = ["--daemon", str(config.socket), "--group", str(config.group)]
    return [sys.executable, "-m", "mmscand.api", *words]


@contextmanager
def api_beside(command: Sequence[str], say: Callable[[str], None]) -> Iterator[None]:
    """Until the end of the context. An end of its own is said, and the daemon goes on."""
    ends = threading.Event()
    environ = {name: value for name, value in os.environ.items() if name not in _MANAGERS}
    # What it prints goes where complaints go: standard output may be lines of JSON.
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environ
    ) as process:

        def watch() -> None:
            code = process.wait()
            if not ends.is_set():
                say(f"mmscand-api has ended with {code}: there is no HTTP API")

        watcher = threading.Thread(target=watch, name="mmscand-api", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ends.set()
            process.terminate()
            watcher.join(_END_S)
            process.kill()
