"""A KVM machine in the guest: what it accesses, and what the daemon makes of its owner."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contract.suite import PAGES, Seen, addresses_of, mapping
from mmscand.linux import unseen_use
from mmscand.linux.checks import guests_and_devices
from mmscand.linux.procfs import Procfs
from mmscand.observe.events import PassEnd, ProcessLeft
from mmscand_lab.busy_world import nodes_of
from mmscand_lab.kvm import KvmMachine, times_of
from mmscand_lab.kvm_modules import load_kvm
from mmscand_lab.residents import Resident
from support.live_world import LiveWorld
from support.sim_daemon import Recorder, running

pytestmark = pytest.mark.area("KVM")

HOT, SEED = 300, 3


@pytest.fixture(scope="module")
def program() -> Path:
    """Brought by the host, with the kernel's modules; see support.guest_suite."""
    return load_kvm(Path(os.environ["MMSCAND_GUEST_FILES"]))


@pytest.fixture
def kvm(world: LiveWorld, program: Path) -> Iterator[KvmMachine]:
    argv = [str(program), str(world.fast), str(PAGES), str(HOT), str(SEED), "1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        memory = Resident(**json.loads(process.stdout.readline()))
        yield KvmMachine(memory, times_of(program, PAGES, HOT, SEED))
        process.kill()


def some_rounds(kvm: KvmMachine) -> None:
    """Wait for three rounds: they count themselves."""
    before = kvm.counts()
    while kvm.use_since(before).rounds < 3:
        pass


def test_it_uses_the_pages_that_its_seed_says_as_often_as_it_says(kvm: KvmMachine) -> None:
    before = kvm.counts()
    some_rounds(kvm)
    use = kvm.use_since(before)
    assert (use.pages, use.wrong) == (HOT, 0)


def test_its_accesses_set_no_accessed_bit_of_its_owner(world: LiveWorld, kvm: KvmMachine) -> None:
    """Why its owner is left alone. Where this fails, a kernel shows what guests access."""
    space = world.machine.open(Procfs().stat(kvm.memory.pid).process)
    memory = mapping(space, kvm.memory.address, PAGES)
    # The last pages that a CPU has allocated are on a list of its own, and MADV_COLD passes over
    # them. move_pages(2) empties these lists; these pages are on that node already.
    space.move(addresses_of(kvm.memory.address, [0]), world.fast)
    Seen(space, kvm.memory.address, PAGES).age()
    before = kvm.counts()  # read by another process: that sets no bit either
    some_rounds(kvm)
    assert kvm.use_since(before).rounds >= 3
    assert memory.pages == PAGES
    accessed = np.flatnonzero(Seen(space, kvm.memory.address, PAGES).flags("accessed"))
    assert accessed.tolist() == []


def test_its_owner_is_named_and_left_alone(world: LiveWorld, kvm: KvmMachine) -> None:
    owner, other = Procfs().stat(kvm.memory.pid).process, world.actor()
    other.map(PAGES)
    check = guests_and_devices(Procfs())
    assert f"{owner}: {unseen_use.KVM}" in check.detail
    before, recorder = nodes_of(kvm.memory), Recorder()
    with running(
        world.machine, recorder, scan_period_ms=50, select=lambda _: [owner, other.process]
    ):
        left = recorder.wait_for(ProcessLeft, lambda event: event.process == owner)
        recorder.wait_for(PassEnd, lambda event: event.number == 4)
    assert left.why == unseen_use.KVM
    assert np.array_equal(nodes_of(kvm.memory), before)
