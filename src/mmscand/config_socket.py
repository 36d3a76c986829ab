"""Where the daemon's socket is, and whose group may use it.

A client needs no more of a configuration than this, and imports no rules.
"""

import grp
import os
from contextlib import suppress
from pathlib import Path

from mmscand.config_file import read_toml, table_of, text_of
from mmscand.errors import UsageError
from mmscand.shown import quoted

DEFAULT_FILE = Path("/etc/mmscand.toml")
DEFAULT_SOCKET = Path("/run/mmscand.sock")
MAX_SOCKET_BYTES = 107
"""sun_path of unix(7) without its final NUL."""


def configured_socket(file: Path = DEFAULT_FILE) -> Path:
    """Where a client finds the daemon; the default when the file cannot say."""
    with suppress(
        UsageError
    ):  # it may be readable for root alone; the daemon complains of mistakes
        return absolute_socket(_control_text(file, "socket")) or DEFAULT_SOCKET
    return DEFAULT_SOCKET


def configured_group(file: Path = DEFAULT_FILE) -> str | None:
    """Group whose members may use the daemon's socket; None when the file has none."""
    with suppress(UsageError):
        return _control_text(file, "group")
    return None


def _control_text(file: Path, key: str) -> str | None:
    return text_of(table_of(read_toml(file, required=False), "control"), key)


def require_group(name: str) -> int:
    """Its number; UsageError when there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):  # ValueError: it has a NUL
        raise UsageError(f"no group {quoted(name)}", hint="`getent group` lists them") from None


def absolute_socket(text: str | None) -> Path | None:
    """The path of a socket in a file; UsageError when it cannot be one."""
    if text is not None and not text.startswith("/"):
        hint = "the file counts wherever mmscand is started; give a whole path"
        raise UsageError(f"{quoted(text)} does not begin with /", hint=hint)
    if text is not None and len(os.fsencode(text)) > MAX_SOCKET_BYTES:
        hint = f"at most {MAX_SOCKET_BYTES} bytes are possible"
        raise UsageError(f"{quoted(text)} is too long", hint=hint)
    return None if text is None else Path(text)
