"""Files of /proc and /sys, and one door for what the kernel refuses: each errno becomes an error
that people can act on.

Out of descriptors or memory is a state of the machine that passes: it is tried again later, and
never ends the daemon.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mmscand.errors import (
    MachineCannot,
    MmscandError,
    OutOfMemory,
    OutOfResources,
    ProcessDenied,
    ProcessGone,
    TooManyOpenFiles,
)

_PASSING: dict[int, type[OutOfMemory] | type[TooManyOpenFiles]] = {
    errno.EMFILE: TooManyOpenFiles,
    errno.ENFILE: TooManyOpenFiles,
    errno.ENOMEM: OutOfMemory,
}
_GONE = (errno.ENOENT, errno.ESRCH)
_KEPT_FROM_US = (errno.EPERM, errno.EACCES)
_NEEDED_TO_READ = "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"


def out_of_resources(code: int | None) -> OutOfResources | None:
    """The error for an errno that passes; None for others."""
    made = _PASSING.get(code or 0)
    return made() if made else None


def _of_process(error: OSError, pid: int, verb: str, capability: str) -> MmscandError:
    if error.errno in _GONE:
        return ProcessGone(pid)
    if passing := out_of_resources(error.errno):
        return passing
    if error.errno in _KEPT_FROM_US:
        return ProcessDenied(pid, verb, capability)
    return ProcessDenied(pid, verb, capability, reason=error.strerror or str(error))


def raise_fatal(code: int, pid: int, verb: str, capability: str) -> None:
    """For an errno after which nothing can be done to the process; others concern some pages."""
    if code == errno.ESRCH:
        raise ProcessGone(pid) from None
    if code in _KEPT_FROM_US:
        raise ProcessDenied(pid, verb, capability) from None


@contextlib.contextmanager
def process_errors(
    pid: int, verb: str = "read", capability: str = _NEEDED_TO_READ
) -> Iterator[None]:
    """Whatever the kernel says of one process: it is gone, not ours, or is tried again later."""
    try:
        yield
    except OSError as error:
        raise _of_process(error, pid, verb, capability) from None


@contextlib.contextmanager
def machine_errors(subject: Path | str, hint: str = "") -> Iterator[None]:
    """Whatever the kernel says of something that all processes share."""
    try:
        yield
    except OSError as error:
        lasting = MachineCannot(f"{subject}: {error.strerror or error}", hint=hint)
        raise out_of_resources(error.errno) or lasting from None


def read_file(path: Path, hint: str = "") -> bytes:
    """A file of /proc or /sys as bytes: names in it may hold any."""
    with machine_errors(path, hint), open(path, "rb", buffering=0) as file:
        return file.read()


def list_folder(path: Path) -> list[str]:
    """Names in a folder of /sys."""
    with machine_errors(path):
        return os.listdir(path)


def as_text(data: bytes) -> str:
    """Names of processes and cgroups: bytes that are no UTF-8 are kept, as `os.fsdecode` does."""
    return data.decode("utf-8", "surrogateescape")
