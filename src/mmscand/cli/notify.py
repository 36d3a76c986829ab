"""Telling systemd how the daemon is (sd_notify(3)); nothing where no service manager asked.

The protocol is one datagram of NAME=VALUE lines to the socket in NOTIFY_SOCKET, so the standard
library is enough.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from mmscand.shown import shown

_SEND_LIMIT_S = 1.0
"""systemd reads within milliseconds; a manager that hangs must not take the daemon along."""
_LONGEST_US = 3_600_000_000
"""More often than asked is never wrong, and threading's timeouts have a limit."""
_US_PER_S = 1_000_000


class ServiceNotifier:
    """Says ready, reloading, stopping and alive. Whatever the manager does, no method raises."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._interval_s = _interval_s(environ) if self._address else None

    @property
    def asked(self) -> bool:
        """Whether a service manager wants to know."""
        return bool(self._address)

    def ready(self, status: str = "") -> None:
        """Started, or done with a reload. `status` is the line that `systemctl status` shows."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        # Type=notify-reload recognises by the time stamp that this answers its SIGHUP.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """The end has begun."""
        self._send("STOPPING=1", *_status(status))

    def watchdog_interval_s(self) -> float | None:
        """How often `watchdog` is to be called; None when nobody waits for it."""
        return self._interval_s

    def watchdog(self) -> None:
        """A sign of life, if somebody waits for it: without one, systemd starts us again."""
        if self._interval_s is not None:
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        message = "\n".join(lines).encode()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(_SEND_LIMIT_S)
            sock.sendto(message, self._address)


def _address(path: str) -> str:
    """As the socket module wants it; '' for none, or for a kind that is not for us (vsock)."""
    if path.startswith("@"):
        return "\0" + path[1:]  # the abstract namespace (unix(7))
    return path if path.startswith("/") else ""


def _interval_s(environ: Mapping[str, str]) -> float | None:
    """Half the time that systemd waits (sd_watchdog_enabled(3)), None when it does not."""
    try:
        # Environments are inherited: a watchdog of the process that started us is not ours.
        if int(environ.get("WATCHDOG_PID") or os.getpid()) != os.getpid():
            return None
        limit_us = int(environ["WATCHDOG_USEC"])
    except (KeyError, ValueError):
        return None
    return min(limit_us, _LONGEST_US) / _US_PER_S / 2 if limit_us > 0 else None


def _status(text: str) -> list[str]:
    """A value is one line."""
    return [f"STATUS={shown(' '.join(text.split()))}"] if text else []
