"""The kernel's list of tasks in a FakeMemory."""

from mmscand.linux.btf import StructOffsets
from synthetic.memory import FakeMemory

OFFSETS = StructOffsets(
    task_tasks=0x930,
    task_tgid=0x9B4,
    task_mm=0x948,
    task_start_boottime=0xA38,
    task_self_exec_id=0xB00,
    mm_pgd=0x50,
)
FOUR_LEVELS = 0xFFFF_8881_0000_0000
FIVE_LEVELS = 0xFF11_0001_0000_0000
TICK_NS = 10_000_000
INIT = 0
"""Number of the swapper: the head of the list."""


class Kernel:
    """Tasks as a doubly linked list, init_task first and the newest last."""

    def __init__(self, memory: FakeMemory) -> None:
        self.memory = memory
        self.base = memory.base
        self.order: list[int] = []
        self.spawn(INIT, 0, mm=0)
        self.memory.task = self.task(INIT)

    def task(self, number: int) -> int:
        """Address of a task_struct, at no page border."""
        return self.base + 0x10_0000 + number * 0x2A40

    def mm(self, number: int) -> int:
        return self.base + 0x80_0000 + number * 0x540

    def pgd(self, number: int) -> int:
        return self.base + 0xC0_0000 + number * 0x2000

    def spawn(self, number: int, tgid: int, *, start: int = 1, mm: int | None = None) -> None:
        """A task that is put at the end of the list; its number is also that of its mm."""
        task = self.task(number)
        self.memory.poke(task + OFFSETS.task_tgid, tgid, 4)
        self.memory.poke(task + OFFSETS.task_tgid + 4, 0xBADBAD, 4)  # whatever follows it
        self.memory.poke(task + OFFSETS.task_start_boottime, start * TICK_NS + 9_999_999)
        self.set_mm(number, number if mm is None else mm)
        self.order.append(number)
        self._link()

    def set_mm(self, number: int, mm: int, pgd: int | None = None) -> None:
        """Give a task the address space `mm`; 0 is none."""
        self.memory.poke(self.task(number) + OFFSETS.task_mm, self.mm(mm) if mm else 0)
        self.memory.poke(self.task(number) + OFFSETS.task_self_exec_id, mm)
        self.memory.poke(self.mm(mm) + OFFSETS.mm_pgd, pgd or self.pgd(mm))

    def end(self, number: int) -> None:
        """Take a task off the list; its memory stays as it was."""
        self.order.remove(number)
        self._link()

    def point(self, number: int, target: int) -> None:
        """Break the link from a task to the one before it."""
        self.memory.poke(self.task(number) + OFFSETS.task_tasks + 8, target)

    def _link(self) -> None:
        for before, here in zip([self.order[-1], *self.order], self.order, strict=False):
            self.point(here, self.task(before) + OFFSETS.task_tasks)
            self.memory.poke(
                self.task(before) + OFFSETS.task_tasks, self.task(here) + OFFSETS.task_tasks
            )
