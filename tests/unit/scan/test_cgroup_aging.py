"""Who is aged together, and when."""

from dataclasses import dataclass

import pytest

from mmscand.errors import (
    MachineCannot,
    MmscandError,
    ProcessDenied,
    ProcessGone,
    TooManyOpenFiles,
)
from mmscand.model import Process
from mmscand.scan.cgroup_aging import CgroupAging
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess

NEVER = float("inf")


@dataclass(eq=False)
class FakeMember:
    process: Process
    due: float = 0.0
    group: str | None = None
    why: str = ""

    def set_aging(self, group: str | None, why: str) -> None:
        self.group, self.why = group, why


class CountingMachine(SimMachine):
    """Remembers what was aged; can be reported to fail."""

    def __init__(self) -> None:
        super().__init__(sim_topology((0,), (1,), {0: 1024, 1: 1024}))
        self.aged: list[str] = []
        self.sim: dict[int, SimProcess] = {}
        self.fails = False

    def age_bulk(self, group: str) -> None:
        if self.fails:
            raise MachineCannot("no more generations", hint="")
        self.aged.append(group)
        super().age_bulk(group)


def member(machine: CountingMachine, pid: int, cgroup: str = "/db") -> FakeMember:
    process = machine.sim[pid] = machine.spawn(pid)
    process.cgroup = cgroup
    return FakeMember(process.process)


def wanted(machine: SimMachine) -> CgroupAging:
    bulk = CgroupAging(machine)
    bulk.wanted = True
    return bulk


def two_joined() -> tuple[CountingMachine, CgroupAging, FakeMember, FakeMember]:
    machine = CountingMachine()
    bulk = wanted(machine)
    one, two = member(machine, 1), member(machine, 2)
    for each in (one, two):
        bulk.join(each)
    return machine, bulk, one, two


def test_a_group_is_aged_once_all_of_it_has_been_read_and_is_due_together() -> None:
    machine, bulk, one, two = two_joined()
    assert (one.group, two.group) == ("/db", "/db")
    bulk.visited(one, 7.0)
    assert (machine.aged, one.due) == ([], NEVER)
    bulk.visited(two, 5.0)
    assert (machine.aged, one.due, two.due) == (["/db"], 5.0, 5.0)
    bulk.visited(two, 9.0)
    assert machine.aged == ["/db"]


def test_nobody_waits_for_one_that_has_left() -> None:
    machine, bulk, one, two = two_joined()
    bulk.visited(one, 7.0)
    bulk.leave(two)
    assert (machine.aged, one.due) == (["/db"], 7.0)
    bulk.leave(one)
    bulk.leave(one)  # twice is once
    bulk.visited(one, 8.0)
    assert one.due == 8.0


def test_a_process_waits_for_its_group_and_goes_at_its_own_pace_when_it_leaves() -> None:
    _, bulk, one, two = two_joined()
    bulk.visited(one, 7.0)
    bulk.hasten(one, 5.0)
    bulk.hasten(two, -1.0)
    assert (one.due, two.due) == (NEVER, -1.0)
    bulk.wanted = False
    bulk.join(one)
    assert one.due == 5.0
    bulk.hasten(one, 3.0)
    assert one.due == 3.0


def rounds(bulk: CgroupAging, periods: dict[FakeMember, float], seconds: float) -> list[list[int]]:
    """Visit who is due, as the scanner does: the pids of each round."""
    seen, now = list[list[int]](), 0.0
    while (now := min(each.due for each in periods)) <= seconds:
        due = [each for each in periods if each.due <= now]
        for each in due:
            bulk.visited(each, now + periods[each])
        seen.append([each.process.pid for each in due])
    return seen


def test_a_process_that_is_scanned_seldom_is_left_out_of_most_rounds_and_delays_no_other() -> None:
    machine, bulk, one, two = two_joined()
    seen = rounds(bulk, {one: 1.0, two: 4.0}, 9.0)
    # The first round has no length yet, so all take part in the second one.
    assert seen == [[1, 2], [1, 2], [1], [1], [1], [1, 2], [1], [1], [1], [1, 2]]
    assert len(machine.aged) == len(seen)


def test_paces_that_are_nearly_the_same_keep_together() -> None:
    _, bulk, one, two = two_joined()
    assert rounds(bulk, {one: 1.0, two: 1.4}, 5.0) == [[1, 2]] * 6


def test_a_process_that_is_left_out_takes_part_as_soon_as_it_is_hastened() -> None:
    _, bulk, one, two = two_joined()
    rounds(bulk, {one: 1.0, two: 100.0}, 3.0)
    assert (one.due, two.due) == (4.0, NEVER)
    bulk.hasten(two, 4.5)
    bulk.visited(one, 5.0)
    assert (one.due, two.due) == (5.0, 5.0)


def test_a_process_that_was_left_out_does_not_wait_long_when_the_others_slow_down() -> None:
    _, bulk, one, two = two_joined()
    rounds(bulk, {one: 1.0, two: 5.0}, 3.0)
    bulk.visited(one, 14.0)
    assert (one.due, two.due) == (NEVER, 6.0)


def test_joining_again_changes_nothing_but_in_another_cgroup() -> None:
    machine, bulk, one, two = two_joined()
    bulk.visited(one, 7.0)
    bulk.join(one)
    bulk.join(two)
    assert (machine.aged, one.due) == ([], NEVER)
    machine.sim[1].cgroup = "/other"
    bulk.join(one)
    assert (one.group, one.due) == ("/other", 7.0)


def test_when_those_of_the_round_have_left_the_others_have_their_own() -> None:
    machine, bulk, one, two = two_joined()
    rounds(bulk, {one: 1.0, two: 100.0}, 3.0)
    before = len(machine.aged)
    bulk.leave(one)
    assert (two.due, len(machine.aged)) == (101.0, before + 1)


def test_a_process_without_a_group_or_not_wanted_is_aged_alone_and_says_why() -> None:
    machine = CountingMachine()
    bulk = wanted(machine)
    left_out, root = member(machine, 1), member(machine, 2, "/")
    bulk.join(root)
    bulk.wanted = False
    bulk.join(left_out)
    for each in (left_out, root):
        bulk.visited(each, 3.0)
        assert (each.group, each.due) == (None, 3.0)
    assert "left out" in left_out.why
    assert "no memory accounting" in root.why
    assert machine.aged == []


def test_a_group_that_fails_gives_up_those_too_that_are_left_out() -> None:
    machine, bulk, one, two = two_joined()
    rounds(bulk, {one: 1.0, two: 100.0}, 3.0)
    machine.fails = True
    bulk.visited(one, 5.0)
    assert (one.group, two.group, one.due, two.due) == (None, None, 5.0, 101.0)


def test_a_group_that_cannot_be_aged_is_given_up_for_good() -> None:
    machine, bulk, one, two = two_joined()
    machine.fails = True
    bulk.visited(one, 1.0)
    bulk.visited(two, 2.0)
    assert (one.group, two.group, one.due, two.due) == (None, None, 1.0, 1.0)
    assert "no more generations" in one.why
    late = member(machine, 3)
    bulk.join(late)
    assert late.group is None


@pytest.mark.parametrize(
    "error",
    [
        MachineCannot("no memory accounting"),
        ProcessGone(1),
        ProcessDenied(1, "read", "CAP_SYS_PTRACE"),
        TooManyOpenFiles(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_keeps_the_group_of_one_from_us_it_is_aged_alone(
    error: MmscandError, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, bulk, one, two = two_joined()

    def refuse(process: Process) -> str:
        raise error

    monkeypatch.setattr(bulk._machine, "bulk_group", refuse)
    bulk.join(one)
    assert (one.group, one.why) == (None, str(error))
    assert two.group == "/db"


def test_a_group_that_was_not_aged_for_want_of_descriptors_is_aged_in_the_next_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, bulk, one, two = two_joined()
    working = machine.age_bulk

    def no_descriptor(group: str) -> None:
        raise TooManyOpenFiles

    monkeypatch.setattr(machine, "age_bulk", no_descriptor)
    for each in (one, two):
        bulk.visited(each, 1.0)
    assert (one.group, two.group) == ("/db", "/db")
    monkeypatch.setattr(machine, "age_bulk", working)
    for each in (one, two):
        bulk.visited(each, 2.0)
    assert machine.aged == ["/db"]
