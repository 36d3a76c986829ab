"""What stands between this process and the kernel: namespaces, seccomp, lockdown, a partial /proc.

Root with all capabilities is refused there too, and the errno does not say by what.
"""

import errno
import re
from collections.abc import Mapping
from pathlib import Path

from mmscand.errors import MachineCannot, MmscandError
from mmscand.linux.files import out_of_resources, read_file
from mmscand.linux.namespaces import is_first

_OWN = Path("/proc/self")
_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_FILTERED = re.compile(rb"^Seccomp:\s+2$", re.MULTILINE)
_PARTIAL_PROC = re.compile(rb"^(?:\S+ ){4}/proc .* - proc .*\bsubset=pid\b", re.MULTILINE)
"""A line of proc_pid_mountinfo(5): the mount point is the fifth field."""
_OTHER_NAMESPACES: Mapping[str, tuple[str, str]] = {
    "user": (
        "root of another user namespace is not root of the machine",
        "run as root of the host",
    ),
    "pid": (
        "in another pid namespace processes have other pids",
        "run in the host's (docker run --pid=host, hostPID)",
    ),
    "time": (
        "in another time namespace /proc shows other start times",
        "run in the host's time namespace",
    ),
}


def require_host(own: Path = _OWN) -> None:
    """MachineCannot names the namespace or the mount that hides the machine from us."""
    for kind, (message, hint) in _OTHER_NAMESPACES.items():
        if not is_first(kind, own):
            raise MachineCannot(message, hint=hint)
    if _PARTIAL_PROC.search(read_file(own / "mountinfo")):
        raise MachineCannot(
            "/proc is mounted with subset=pid, which hides all but processes",
            hint="mount it without (systemd: ProcSubset=all)",
        )


def refused(call: str, error: OSError, hint: str, *, own: Path = _OWN) -> MmscandError:
    """The error for a system call that failed, with what stands between us and it."""
    if passing := out_of_resources(error.errno):
        return passing
    if error.errno in _REFUSALS and _FILTERED.search(read_file(own / "status")):
        return MachineCannot(
            f"{call}: {error.strerror}, and a seccomp profile filters system calls here",
            hint=f"allow {call.partition('(')[0]} in the profile of the container or service",
        )
    return MachineCannot(f"{call}: {error.strerror}", hint=hint)


def require_no_confidentiality(path: Path = _LOCKDOWN) -> None:
    """MachineCannot under the lockdown that keeps kernel memory from everybody."""
    try:
        state = read_file(path)
    except MachineCannot:
        return  # no lockdown, or no securityfs to show it
    if b"[confidentiality]" in state:
        raise MachineCannot(
            "kernel lockdown is `confidentiality`",
            hint="there is no way to read page tables under it; lockdown=integrity allows it",
        )
