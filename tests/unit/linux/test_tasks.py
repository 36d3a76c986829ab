"""The kernel's list of tasks, in memory made for the test."""

import pytest

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.linux.tasks import MmRef, Tasks
from mmscand.model import Process
from synthetic.kernel import FIVE_LEVELS, FOUR_LEVELS, OFFSETS, Kernel
from synthetic.memory import PAGE, FakeMemory, ReadLimit


@pytest.fixture(params=[FOUR_LEVELS, FIVE_LEVELS], ids=["four levels", "five levels"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    made = Kernel(FakeMemory(request.param, read_limit=5000))
    for number in range(1, 8):
        made.spawn(number, 100 + number, start=1000 + number)
    return made


def tasks_of(kernel: Kernel) -> Tasks:
    return Tasks(kernel.memory, OFFSETS)


def ref(kernel: Kernel, number: int, mm: int | None = None) -> MmRef:
    mm = number if mm is None else mm
    return MmRef(kernel.task(number), kernel.mm(mm), kernel.pgd(mm), mm)


def test_every_process_of_the_list_is_found(kernel: Kernel) -> None:
    tasks = tasks_of(kernel)
    for number in range(1, 8):
        assert tasks.mm(Process(100 + number, 1000 + number)) == ref(kernel, number)


def test_any_task_is_a_way_in(kernel: Kernel) -> None:
    for number in range(8):
        kernel.memory.task = kernel.task(number)
        assert tasks_of(kernel).mm(Process(103, 1003)) == ref(kernel, 3)


def test_the_newest_task_is_found_first(kernel: Kernel) -> None:
    tasks = tasks_of(kernel)
    before = len(kernel.memory.reads)
    tasks.mm(Process(107, 1007))
    assert len(kernel.memory.reads) - before <= 5 + 5 + 1  # the head, the task, its mm


def test_a_task_that_is_known_is_read_without_the_list(kernel: Kernel) -> None:
    tasks = tasks_of(kernel)
    process = Process(101, 1001)
    known = tasks.mm(process).task
    before = len(kernel.memory.reads)
    assert tasks.mm(process, known) == ref(kernel, 1)
    assert len(kernel.memory.reads) - before == 5 + 1


def test_exec_gives_a_process_another_mm(kernel: Kernel) -> None:
    tasks, process = tasks_of(kernel), Process(102, 1002)
    known = tasks.mm(process)
    kernel.set_mm(2, 50)
    assert tasks.mm(process, known.task) == ref(kernel, 2, 50)
    assert tasks.mm(process) == ref(kernel, 2, 50)


def test_a_process_that_started_at_another_time_is_another_one(kernel: Kernel) -> None:
    tasks = tasks_of(kernel)
    for start in (1001, 1003, 0):
        with pytest.raises(ProcessGone) as caught:
            tasks.mm(Process(102, start))
        assert caught.value.pid == 102


def test_a_pid_that_was_reused_is_gone_also_for_who_knew_its_task(kernel: Kernel) -> None:
    tasks, process = tasks_of(kernel), Process(105, 1005)
    known = tasks.mm(process).task
    kernel.end(5)
    kernel.spawn(5, 105, start=2000)
    with pytest.raises(ProcessGone):
        tasks.mm(process, known)
    with pytest.raises(ProcessGone):
        tasks.mm(process)
    assert tasks.mm(Process(105, 2000)) == ref(kernel, 5)


def test_a_task_whose_memory_went_to_another_process_is_gone(kernel: Kernel) -> None:
    tasks, process = tasks_of(kernel), Process(105, 1005)
    known = tasks.mm(process).task
    kernel.end(5)
    kernel.spawn(5, 999, start=1005)
    with pytest.raises(ProcessGone):
        tasks.mm(process, known)


def test_a_process_without_an_mm_is_gone(kernel: Kernel) -> None:
    kernel.set_mm(4, 0)
    with pytest.raises(ProcessGone):
        tasks_of(kernel).mm(Process(104, 1004))


def test_a_hint_that_another_task_took_the_place_of_is_not_believed(kernel: Kernel) -> None:
    """The process lives, at another address: a thread of it called execve meanwhile."""
    tasks = tasks_of(kernel)
    tasks.mm(Process(102, 1002))  # the walk meets 107 to 103, and remembers where they are
    kernel.end(5)
    kernel.spawn(8, 105, start=1005)
    kernel.spawn(5, 109, start=1009)
    assert tasks.mm(Process(105, 1005)) == ref(kernel, 8)


@pytest.mark.parametrize("pgd", [0, 0x7FFF_0000_1000, 0x00FF_0000_0000_0000])
def test_an_mm_whose_pgd_is_no_kernel_address_is_gone(kernel: Kernel, pgd: int) -> None:
    kernel.memory.poke(kernel.mm(4) + OFFSETS.mm_pgd, pgd)
    with pytest.raises(ProcessGone):
        tasks_of(kernel).mm(Process(104, 1004))


@pytest.mark.parametrize("target", [0, 8, OFFSETS.task_tasks, 0x7F00_0000_0000])
def test_a_link_out_of_the_kernel_ends_the_search(kernel: Kernel, target: int) -> None:
    tasks = tasks_of(kernel)
    kernel.point(4, target)
    assert tasks.mm(Process(106, 1006)) == ref(kernel, 6)  # the walk comes from the end
    with pytest.raises(ProcessGone):
        tasks.mm(Process(102, 1002))


def test_a_loop_that_leaves_out_the_head_ends_the_search(kernel: Kernel) -> None:
    tasks = tasks_of(kernel)
    kernel.point(4, kernel.task(6) + OFFSETS.task_tasks)
    try:
        with pytest.raises(ProcessGone):
            tasks.mm(Process(102, 1002))
    except ReadLimit:
        pytest.fail("the search for a task never ends")


def test_a_loop_that_leaves_out_the_head_is_no_way_in(kernel: Kernel) -> None:
    kernel.point(4, kernel.task(6) + OFFSETS.task_tasks)
    kernel.memory.task = kernel.task(5)
    kernel.memory.read_limit = 10_000
    with pytest.raises(MachineCannot, match="list of tasks"):
        tasks_of(kernel)


@pytest.mark.parametrize("task", [0, 0x7F00_0000_0000])
def test_a_first_task_outside_the_kernel_is_no_way_in(kernel: Kernel, task: int) -> None:
    kernel.memory.task = task
    with pytest.raises(MachineCannot, match="list of tasks"):
        tasks_of(kernel)


def test_memory_that_cannot_be_read_is_not_taken_for_the_head(kernel: Kernel) -> None:
    # What cannot be read is zero, and so is the head's tgid.
    kernel.memory.task = kernel.base + 0x7000_0000
    with pytest.raises(MachineCannot, match="list of tasks"):
        tasks_of(kernel)


def test_an_exit_during_the_search_only_makes_it_start_again(kernel: Kernel) -> None:
    tasks = tasks_of(kernel)
    good = kernel.task(3) + OFFSETS.task_tasks
    kernel.point(4, 0)
    tries = 0

    class Healing(FakeMemory):
        """The link is bad for the first who follows it."""

        def read(self, addresses: object) -> object:  # type: ignore[override]
            nonlocal tries
            result = FakeMemory.read(self, addresses)  # type: ignore[arg-type]
            if addresses[0] == (kernel.task(4) + OFFSETS.task_tgid) & -PAGE:  # type: ignore[index]
                tries += 1
                kernel.point(4, good)
            return result

    kernel.memory.__class__ = Healing
    assert tasks.mm(Process(102, 1002)) == ref(kernel, 2)
    assert tries == 2


def test_a_known_task_whose_memory_is_something_else_by_now_is_gone(kernel: Kernel) -> None:
    tasks, process = tasks_of(kernel), Process(103, 1003)
    known = tasks.mm(process).task
    kernel.point(3, 5)  # a link out of the kernel, as in freed memory
    with pytest.raises(ProcessGone):
        tasks.mm(process, known)


def test_a_thread_that_called_execve_is_found_though_the_old_leader_was_freed(
    kernel: Kernel,
) -> None:
    """It is the leader's task now, with its pid and start time; what is known of the old one is of
    no use any more.
    """
    tasks, process = tasks_of(kernel), Process(103, 1003)
    known = tasks.mm(process).task
    kernel.end(3)
    kernel.spawn(9, 103, start=1003)
    for at in range(kernel.task(3), kernel.task(3) + PAGE, 8):
        kernel.memory.poke(at, 0)  # init_on_free
    with pytest.raises(ProcessGone):
        tasks.mm(process, known)
    assert tasks.mm(process) == ref(kernel, 9)


def test_a_task_at_the_end_of_ram_is_found(kernel: Kernel) -> None:
    """Nothing can be read of a piece that reaches into a hole of the direct map."""
    for number in range(1, 8):
        for field in (OFFSETS.task_self_exec_id, OFFSETS.task_mm):
            kernel.memory.holes.add((kernel.task(number) + field - kernel.base) // PAGE + 1)
    for number in range(8):  # no hole is where something is
        for at in (kernel.task(number), kernel.task(number) + OFFSETS.task_self_exec_id):
            kernel.memory.holes.discard((at - kernel.base) // PAGE)
        kernel.memory.holes.discard((kernel.mm(number) - kernel.base) // PAGE)
    assert kernel.memory.holes
    assert tasks_of(kernel).mm(Process(103, 1003)) == ref(kernel, 3)
