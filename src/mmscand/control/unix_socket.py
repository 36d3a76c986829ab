"""A listening unix socket at a path, which nobody but its owner can use for one moment."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from mmscand.config_socket import MAX_SOCKET_BYTES, require_group
from mmscand.control.causes import cannot
from mmscand.errors import MmscandError, UsageError

_BACKLOG = 128
"""Clients that come at once; the kernel refuses those beyond it (EAGAIN)."""
ELSEWHERE = "or name another socket"


def listen(path: Path, group: str | None) -> socket.socket:
    """Bind and listen; mode 0600, or 0660 and that group. What a dead daemon left is replaced."""
    gid = None if group is None else require_group(group)
    if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        raise UsageError(
            f"socket path {path} is too long", hint=f"at most {MAX_SOCKET_BYTES} bytes are possible"
        )
    remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(sock.fileno(), 0o600)  # Linux gives the file the mode that the socket has
        sock.bind(str(path))
        if gid is not None:
            os.chown(path, -1, gid)
            path.chmod(0o660)
        sock.listen(_BACKLOG)
    except BaseException as error:
        sock.close()
        if not isinstance(error, OSError):
            raise
        raise cannot("listen on", path, error, ELSEWHERE) from None
    return sock


def remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on; refuse everything else that is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot("look at", path, error, ELSEWHERE) from None
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{path} is there and is no socket", hint="name another socket")
    if _answers(path):
        raise MmscandError(
            f"another program listens on {path}", hint="stop it, or name another socket"
        )
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
        probe.settimeout(0.5)
        probe.connect(str(path))
        return True
    return False
