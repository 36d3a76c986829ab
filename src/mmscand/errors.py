"""Everything that can go wrong, with what to do about it and the exit code.

MmscandError            exit 1   failed
├── UsageError          exit 2   what was asked for makes no sense; Mistakes is several of them
│   └── NoSuchNode      exit 2   as a service, the daemon waits for it
├── MachineCannot       exit 3   this machine, kernel or user lacks what is needed
│   └── NoSlowTier      exit 3   as a service, the daemon waits for one
├── ProcessDenied       exit 3   the kernel keeps this process from us; the daemon leaves it alone
├── OutOfResources      exit 1   never ends the daemon: what it could not open it tries again
├── LeftAlone           never ends the daemon: `ps` says which process, and why
└── ProcessGone         never seen by a user: a process that exits is a normal result
"""

from collections.abc import Sequence
from typing import ClassVar

KEPT_FROM_US = "a security module keeps it from us"
"""Why a process is not among those that run, though it has not exited."""


class MmscandError(Exception):
    """A failure that a person can act on: one line of what, one of what to do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message

    @property
    def lines(self) -> list[str]:
        """One for each thing that is wrong."""
        return [str(self)]


class UsageError(MmscandError):
    """The command line or a setting names something that is not there or not allowed."""

    exit_code = 2


class Mistakes(UsageError):
    """Several at once, so that a person can fix all of them before the next try."""

    def __init__(self, mistakes: Sequence[UsageError]) -> None:
        hints = {mistake.hint for mistake in mistakes}
        hint = hints.pop() if len(hints) == 1 else ""
        words = (mistake.message if hint else str(mistake) for mistake in mistakes)
        super().__init__("; ".join(words), hint=hint)
        self.mistakes = tuple(mistakes)

    @property
    def lines(self) -> list[str]:
        """One for each."""
        return [str(mistake) for mistake in self.mistakes]


class NoSuchNode(UsageError):
    """A node that is named fast or slow is not there, or has no memory yet."""


class MachineCannot(MmscandError):
    """The machine, its kernel or the caller's privileges do not allow the job."""

    exit_code = 3


class NoSlowTier(MachineCannot):
    """There is nothing to promote from, or not yet: CXL memory may come online after the start."""


class ProcessDenied(MmscandError):
    """The kernel does not let us read, age or move the memory of this process."""

    exit_code = 3

    def __init__(self, pid: int, verb: str, capability: str, *, reason: str = "") -> None:
        """`reason` is why, where it is no lack of a capability."""
        if reason:
            super().__init__(f"cannot {verb} the memory of process {pid}: {reason}")
        else:
            super().__init__(
                f"not allowed to {verb} the memory of process {pid}",
                hint=f"run as root with {capability}",
            )
        self.pid = pid


class OutOfResources(MmscandError):
    """Nothing is left of what a call needs. What could not be done is tried again later."""


class TooManyOpenFiles(OutOfResources):
    """Each watched process takes a descriptor."""

    def __init__(self) -> None:
        super().__init__(
            "too many open files", hint="raise the limit (ulimit -n, LimitNOFILE), or watch fewer"
        )


class OutOfMemory(OutOfResources):
    """The kernel has no memory for the call."""

    def __init__(self) -> None:
        super().__init__("the kernel is out of memory", hint="free some, or raise MemoryMax")


class LeftAlone(MmscandError):
    """What a process does with its memory cannot be seen, so its pages are not moved."""

    def __init__(self, pid: int, why: str) -> None:
        super().__init__(why)
        self.pid = pid


class ProcessGone(MmscandError):
    """The process has exited, or its pid belongs to another process by now."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} has exited")
        self.pid = pid


UNREADABLE = (ProcessGone, ProcessDenied, OutOfResources)
"""Of a process about which nothing can be read now: then it has no names and no cgroup."""
