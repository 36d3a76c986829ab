"""Which processes have a slot, and why the others have none."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from mmscand.errors import KEPT_FROM_US, ProcessDenied, ProcessGone
from mmscand.model import REGION_BYTES, Look, Process, ProcessFacts
from mmscand.observe.events import Event, Moved, PassEnd, ProcessEntered, ProcessLeft
from mmscand.scan.rules import Rule, Rules
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess
from support.sim_daemon import Recorder, running

KVM = "it owns a KVM machine"


def machine_with(*pids: int) -> tuple[SimMachine, list[SimProcess]]:
    machine = SimMachine(sim_topology((0,), (1,), {0: 8192, 1: 16384}))
    sims = [machine.spawn(pid, "app") for pid in pids]
    for sim in sims:
        machine.map(sim, REGION_BYTES, 1024, 1)
    return machine, sims


def keeps_running(*sims: SimProcess) -> Callable[[Event], None]:
    """All of them access all their memory between any two visits."""

    def hook(event: Event) -> None:
        for sim in sims:
            sim.touch(REGION_BYTES, range(1024))
            sim.run()

    return hook


def on_fast(machine: SimMachine, sim: SimProcess) -> int:
    return sum(int((machine.nodes_of(vma) == 0).sum()) for vma in sim.vmas)


def passes(process: Process, number: int) -> Callable[[PassEnd], bool]:
    return lambda event: event.process == process and event.number >= number


def test_an_owner_of_a_kvm_machine_is_left_alone_and_that_is_said_once() -> None:
    machine, (owner, other) = machine_with(100, 200)
    owner.unseen_use = KVM
    recorder = Recorder(keeps_running(owner, other))
    with running(machine, recorder) as daemon:
        left = recorder.wait_for(ProcessLeft)
        recorder.wait_for_promoted(other.process, 1024)
        recorder.wait_for(PassEnd, passes(other.process, 20))
        status = daemon.status()
    assert (left.process, left.why) == (owner.process, KVM)
    assert status.left_alone == {owner.process: KVM}
    assert [each.process for each in status.processes] == [other.process]
    assert on_fast(machine, owner) == 0


def test_a_process_that_becomes_an_owner_is_left_alone_from_its_next_visit_on() -> None:
    machine, (owner,) = machine_with(100)
    recorder = Recorder(keeps_running(owner))
    with running(machine, recorder) as daemon:
        recorder.wait_for(PassEnd)
        owner.unseen_use = KVM
        assert recorder.wait_for(ProcessLeft).why == KVM
        assert daemon.status().left_alone == {owner.process: KVM}
        owner.unseen_use = ""
        machine.exec(owner)
        assert recorder.wait_for(ProcessEntered).process == owner.process
        assert daemon.status().left_alone == {}


def test_a_rule_can_have_it_scanned_all_the_same() -> None:
    machine, (owner,) = machine_with(100)
    owner.unseen_use = KVM
    recorder = Recorder(keeps_running(owner))
    with running(machine, recorder, rules=Rules([Rule(5, pid=100, unseen_use=True)])):
        recorder.wait_for_promoted(owner.process, 1024)


def test_one_address_space_is_one_entry_whatever_processes_share_it() -> None:
    machine, (first,) = machine_with(100)
    second = machine.spawn(200, "vfork", sharing=first)
    recorder = Recorder(keeps_running(first, second))
    with running(machine, recorder) as daemon:
        recorder.wait_for_promoted(first.process, 1024)
        assert daemon.status().left_alone == {
            second.process: f"shares its address space with {first.process}"
        }
        machine.exit(first)
        recorder.wait_for(ProcessEntered, lambda event: event.process == second.process)
        recorder.wait_for(PassEnd, passes(second.process, 1))
        assert daemon.status().left_alone == {}


def test_execve_of_the_one_that_shared_gives_it_an_entry_of_its_own() -> None:
    machine, (first,) = machine_with(100)
    second = machine.spawn(200, "vfork", sharing=first)
    recorder = Recorder(keeps_running(first))
    with running(machine, recorder):
        recorder.wait_for(ProcessLeft, lambda event: event.process == second.process)
        machine.exec(second)
        recorder.wait_for(ProcessEntered, lambda event: event.process == second.process)


def test_an_excluded_process_is_named_with_its_rule() -> None:
    machine, (app,) = machine_with(100)
    other = machine.spawn(200, "other")
    recorder = Recorder(keeps_running(app))
    with running(machine, recorder, rules=Rules([Rule(0, pid=200)])) as daemon:
        recorder.wait_for(PassEnd)
        assert daemon.status().left_alone == {other.process: "excluded by a rule: pid=200"}


def test_moves_that_were_queued_for_an_owner_are_withdrawn() -> None:
    machine, (owner,) = machine_with(100)
    moved: list[Moved] = []

    def hook(event: Event) -> None:
        keeps_running(owner)(event)
        if isinstance(event, Moved):
            moved.append(event)
            owner.unseen_use = KVM

    recorder = Recorder(hook)
    daemon = running(machine, recorder, scan_period_ms=5)
    daemon.settings.change({"migrate_batch_pages": 64, "migrate_sleep_ms": 50})
    with daemon:
        recorder.wait_for(ProcessLeft)
        before = sum(event.promoted for event in moved)
        assert daemon.status().queued_slots == 0
    assert on_fast(machine, owner) <= before + 64
    assert before < 1024


class DeniesFacts(SimMachine):
    """A security module keeps what rules look at of one process from us, or all of it."""

    denied_pid = hidden_pid = 0

    def look(self) -> Look:
        look = super().look()
        running = tuple(p for p in look.running if p.pid != self.hidden_pid)
        return replace(look, running=running, quiet=False, denied=frozenset({self.hidden_pid}))

    def facts(self, process: Process) -> ProcessFacts:
        if process.pid == self.denied_pid:
            raise ProcessDenied(process.pid, "read", "CAP_SYS_PTRACE")
        return super().facts(process)


@pytest.mark.parametrize("watched_before", [True, False])
def test_one_that_cannot_be_judged_is_left_alone_with_the_reason(watched_before: bool) -> None:
    machine = DeniesFacts(sim_topology((0,), (1,), {0: 8192, 1: 16384}))
    app, other = machine.spawn(100, "app"), machine.spawn(200, "other")
    machine.denied_pid = 0 if watched_before else 100
    recorder = Recorder(keeps_running())
    with running(machine, recorder, rules=Rules([Rule(5, uid=7)])) as daemon:
        if watched_before:
            recorder.wait_for(ProcessEntered, lambda event: event.process == app.process)
            machine.denied_pid = 100
            app.uid = 8  # it is judged again
        left = recorder.wait_for(ProcessLeft)
        status = daemon.status()
        assert (left.process, left.why) == (app.process, status.left_alone[app.process])
        assert "not allowed to read the memory of process 100" in left.why
        assert [each.process for each in status.processes] == [other.process]
        machine.denied_pid, app.uid = 0, 9
        recorder.wait_for(ProcessEntered, lambda event: event.process == app.process)
        assert daemon.status().left_alone == {}


def test_one_that_is_hidden_from_us_has_not_exited() -> None:
    machine = DeniesFacts(sim_topology((0,), (1,), {0: 8192, 1: 16384}))
    app = machine.spawn(100, "app")
    recorder = Recorder(keeps_running())
    with running(machine, recorder) as daemon:
        recorder.wait_for(ProcessEntered)
        machine.hidden_pid = 100
        assert recorder.wait_for(ProcessLeft).why == KEPT_FROM_US
        assert daemon.status().left_alone == {app.process: KEPT_FROM_US}
        machine.hidden_pid, app.uid = 0, 9
        recorder.wait_for(ProcessEntered)


class EndsMainThread(SimMachine):
    """The main thread of each process ends, and others go on."""

    ended = False

    def open(self, process: Process) -> SimAddressSpace:
        if self.ended:
            raise ProcessDenied(process.pid, "age", "", reason="its main thread has ended")
        return super().open(process)


def test_one_whose_main_thread_ends_is_not_called_exited(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = EndsMainThread(sim_topology((0,), (1,), {0: 8192, 1: 16384}))
    app = machine.spawn(100, "app")
    machine.map(app, REGION_BYTES, 1024, 1)
    cpu_ns = SimAddressSpace.cpu_ns

    def gone(space: SimAddressSpace) -> int:
        if machine.ended:
            raise ProcessGone(space.process.pid)
        return cpu_ns(space)

    monkeypatch.setattr(SimAddressSpace, "cpu_ns", gone)
    recorder = Recorder(keeps_running(app))
    with running(machine, recorder) as daemon:
        recorder.wait_for(PassEnd)
        machine.ended = True
        assert "its main thread has ended" in recorder.wait_for(ProcessLeft).why
        assert list(daemon.status().left_alone) == [app.process]


def test_an_address_space_of_one_that_left_may_be_another_s_before_both_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel frees the memory of an address space, and gives its place to the next one."""
    machine, (old, new, last) = machine_with(100, 200, 300)
    monkeypatch.setattr(SimAddressSpace, "identity", lambda space: places[space.process.pid])
    places = {100: 1, 200: 2, 300: 3}
    recorder = Recorder(keeps_running(old, new, last))
    with running(machine, recorder):
        for sim in (old, new, last):
            recorder.wait_for(PassEnd, passes(sim.process, 1))
        places[200] = 1  # process 100 has called execve too, and no visit has seen it yet
        machine.exec(new)
        recorder.wait_for(PassEnd, lambda event: (event.process, event.number) == (new.process, 1))
        for sim in (new, old):
            machine.exit(sim)
            recorder.wait_for(ProcessLeft, partial(is_of, sim.process))
        recorder.wait_for(PassEnd, passes(last.process, 3))


def is_of(process: Process, event: ProcessLeft) -> bool:
    return event.process == process
