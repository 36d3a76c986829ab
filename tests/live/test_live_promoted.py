"""Looking at promoted pages again, on this kernel: all its memory is called fast here.

Others on this machine may clear bits, so a used page may be missed; an unused one never looks used.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from mmscand.errors import MachineCannot
from mmscand.linux.machine import LinuxMachine, open_machine
from mmscand.linux.procfs import Procfs
from mmscand.linux.topology import NodeReader, read_topology
from mmscand.policy.eligible import eligible
from mmscand.scan.promoted import TURNS, PromotedSample
from support.puppet import PAGE, Puppet

PAGES = 512


@pytest.fixture
def fast_machine() -> Iterator[LinuxMachine]:
    nodes = NodeReader()
    everything = frozenset(node.id for node in nodes.nodes())
    try:
        machine = open_machine(read_topology(nodes, fast=everything, slow=frozenset()))
    except MachineCannot as error:
        pytest.skip(f"live tests need root and a reader: {error}")
    yield machine
    machine.close()


def test_promoted_pages_that_are_used_are_distinguished_from_those_that_are_not(
    fast_machine: LinuxMachine,
) -> None:
    puppet = Puppet()
    try:
        address = puppet.map(PAGES)
        space = fast_machine.open(Procfs().stat(puppet.pid).process)
        sample = PromotedSample()
        # Every eighth page: where a large folio holds several, they are aged and used together.
        wanted = np.arange(0, PAGES, 8)
        sample.join(address + PAGE * wanted.astype(np.uint64), 1)
        used = wanted[: len(wanted) // 2].tolist()
        judged = again = accessed = 0
        for _ in range(2 * TURNS + 1):
            vmas, _ = eligible(space.vmas())
            for window in space.read(vmas):
                for block in window.blocks:
                    looked = sample.look(block, np.zeros_like(block.present))
                    if looked is not None:
                        judged += looked.judged
                        again += looked.again
                        accessed += looked.accessed
                        to_age = np.zeros_like(block.present)
                        to_age[looked.to_age] = True
                        sample.drop(space.age(block, to_age, vmas).missed)
            sample.end_pass()
            puppet.touch(address, used)
        space.close()
    finally:
        puppet.exit()
    assert judged == 2 * len(wanted)
    assert 0 < again <= len(used)
    assert accessed <= 2 * TURNS * len(used)
