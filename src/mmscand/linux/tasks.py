"""From a process to its page tables: the kernel's list of tasks, read from outside.

The list is doubly linked and new tasks are put at its end (kernel/fork.c), so walking backwards
from init_task meets the newest first. A link can go bad under the reader; every walk is bounded
and everything it yields is compared with what /proc says.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.linux.arch.numbers import KERNEL_SPACE, TICKS_A_SECOND
from mmscand.linux.btf import StructOffsets
from mmscand.linux.kernel_memory import KernelMemory, read_word, read_words
from mmscand.model import Process

_LIST_PREV = 8
"""offsetof(struct list_head, prev)"""
_NS_PER_TICK = 1_000_000_000 // TICKS_A_SECOND
_TRIES = 3
"""A walk that a concurrent exit derailed is worth repeating; a third failure is not chance."""


@dataclass(frozen=True, slots=True)
class _Task:
    address: int
    tgid: int
    start_time: int
    mm: int
    previous: int
    exec_id: int


@dataclass(frozen=True, slots=True)
class MmRef:
    """The address space of a task; addresses are the kernel's."""

    task: int
    mm: int
    """mm_struct: tasks with the same one share their memory."""
    pgd: int
    exec_id: int
    """Counts the execs of the task (task_struct.self_exec_id): each makes a new address space."""


class Tasks:
    """Finds the page tables of processes."""

    def __init__(self, memory: KernelMemory, offsets: StructOffsets) -> None:
        self._memory = memory
        self.offsets = offsets
        self._fields = np.array(
            [
                offsets.task_tgid,
                offsets.task_start_boottime,
                offsets.task_mm,
                offsets.task_tasks + _LIST_PREV,
                offsets.task_self_exec_id,
            ],
            dtype=np.uint64,
        )
        self._passed: dict[tuple[int, int], int] = {}
        """Address of the task of each (pid, start time) that a walk met; hints, checked on use."""
        self._init_task = self._find_init_task()

    def _task(self, address: int) -> _Task:
        tgid, started, mm, previous, exec_id = read_words(
            self._memory, np.uint64(address) + self._fields
        )
        if min(address, previous) < KERNEL_SPACE:
            raise LookupError("the list of tasks leads out of the kernel")
        return _Task(
            address=address,
            tgid=tgid & 0xFFFF_FFFF,
            start_time=started // _NS_PER_TICK,
            mm=mm,
            previous=previous - self.offsets.task_tasks,
            exec_id=exec_id,
        )

    def _backwards(self, task: _Task) -> Iterator[_Task]:
        """A task and those before it, once around; a loop that misses some ends it too."""
        seen: set[int] = set()
        while task.address not in seen:
            seen.add(task.address)
            yield task
            task = self._task(task.previous)

    def _find_init_task(self) -> int:
        """The head of the list is the only task with tgid 0."""
        for _ in range(_TRIES):
            with contextlib.suppress(LookupError):
                for task in self._backwards(self._task(self._memory.any_task())):
                    if task.tgid == 0:
                        return task.address
        raise MachineCannot(
            "the kernel's list of tasks cannot be followed",
            hint="run in the host's pid namespace, on a kernel with BTF of its own",
        )

    def _find(self, process: Process) -> _Task:
        """Where the last walks met it, or by walking again; ProcessGone when it is nowhere."""
        wanted = (process.pid, process.start_time)
        if (hint := self._passed.pop(wanted, None)) is not None:
            with contextlib.suppress(LookupError):  # it was freed, and is something else by now
                task = self._task(hint)
                if (task.tgid, task.start_time) == wanted:
                    self._passed[wanted] = hint
                    return task
        for _ in range(_TRIES):
            with contextlib.suppress(LookupError):
                return self._walk_to(wanted)
        raise ProcessGone(process.pid)

    def _walk_to(self, wanted: tuple[int, int]) -> _Task:
        """The newest are met first, and all that are met are remembered for the next search."""
        passed: dict[tuple[int, int], int] = {}
        for task in self._backwards(self._task(self._init_task)):
            identity = (task.tgid, task.start_time)
            passed[identity] = task.address
            if identity == wanted:
                self._passed.update(passed)
                return task
        self._passed = passed  # a whole round: nothing else is alive
        raise ProcessGone(wanted[0])

    def mm(self, process: Process, known_task: int = 0) -> MmRef:
        """Where the page tables of `process` are now; ProcessGone when it has none (any more).

        `known_task` is the `task` of an earlier answer, which saves walking the list.
        """
        try:
            task = self._task(known_task) if known_task else self._find(process)
        except LookupError:  # it was freed, and is something else by now
            raise ProcessGone(process.pid) from None
        if (task.tgid, task.start_time) != (process.pid, process.start_time) or not task.mm:
            raise ProcessGone(process.pid)
        pgd = read_word(self._memory, task.mm + self.offsets.mm_pgd)
        if pgd < KERNEL_SPACE:
            raise ProcessGone(process.pid)
        return MmRef(task.address, task.mm, pgd, task.exec_id)
