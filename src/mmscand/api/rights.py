"""Gives up root's rights, for good."""

import ctypes
import os
import pwd
from pathlib import Path

from mmscand.errors import MachineCannot, UsageError
from mmscand.shown import quoted

_PR_SET_NO_NEW_PRIVS = 38
"""include/uapi/linux/prctl.h: no execve gives rights that this process has not."""


def drop_root(user: str, gid: int) -> None:
    """Become `user`, with its own group and `gid` beside it, and without any capability.

    UsageError for a user or group that is root's or is not there.
    """
    try:
        account = pwd.getpwnam(user)
    except (KeyError, ValueError):  # ValueError: it has a NUL
        raise UsageError(f"no user {quoted(user)}", hint="`getent passwd` lists them") from None
    if 0 in (account.pw_uid, account.pw_gid, gid):
        raise UsageError("root's user and group have rights of their own", hint="name another")
    os.setgroups([gid])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    # Clears all capabilities too (capabilities(7)), but for a process with securebits set.
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if capabilities():
        raise MachineCannot(
            f"user {user} keeps capabilities here", hint="start it without securebits"
        )


def capabilities() -> int:
    """The bits of those that this process may use (CapPrm of proc_pid_status(5))."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:"))
