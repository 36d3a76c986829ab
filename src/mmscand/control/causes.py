"""Causes of a file that cannot be made or used, each with its remedy."""

import errno
import grp
import pwd
from contextlib import suppress
from pathlib import Path

from mmscand.errors import MachineCannot, MmscandError

_PASSING = {
    errno.EMFILE: "raise the limit of open files (ulimit -n, LimitNOFILE)",
    errno.ENFILE: "raise the limit of open files of the machine (sysctl fs.file-max)",
    errno.ENOSPC: "free some room there",
    errno.EDQUOT: "free some room there",
}
"""May be over the next time: exit code 1, which is started again."""
_LASTING = {
    errno.EROFS: "it is on a file system that is read-only; make it writable (ReadWritePaths)",
    errno.ENOENT: "make its folder",
    errno.ENOTDIR: "a part of its path is a file",
    errno.ELOOP: "it is a symbolic link; remove it",
    errno.EISDIR: "it is a folder; remove it",
}


def cannot(what: str, path: Path, error: OSError, elsewhere: str = "") -> MmscandError:
    """`elsewhere` says how to name another path, where one can."""
    number = error.errno or 0
    kind = MmscandError if number in _PASSING else MachineCannot
    hints = {**_PASSING, **_LASTING}
    hints |= dict.fromkeys((errno.EACCES, errno.EPERM), f"only {who_may(path)} may")
    hint = ", ".join(filter(None, (hints.get(number, ""), elsewhere)))
    return kind(f"cannot {what} {path}: {error.strerror}", hint=hint)


def who_may(path: Path) -> str:
    """Users and groups that may use a file, or search its folder where we may not."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            found = place.stat()
            with suppress(KeyError):
                user = pwd.getpwuid(found.st_uid).pw_name
                group = grp.getgrgid(found.st_gid).gr_name if found.st_mode & 0o030 else ""
                users = "root" if user == "root" else f"root and {user}"
                return f"{users} and the group {group}" if group and group != "root" else users
            return f"root and user {found.st_uid}"
    return "root"
