"""The live kernel as a world for the contract suite."""

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from contract.suite import Actor, addresses_of
from mmscand.linux.machine import LinuxMachine, open_machine
from mmscand.linux.procfs import Procfs
from mmscand.linux.syscalls import move_pages
from mmscand.linux.topology import NodeReader, read_topology
from mmscand.model import PAGE_BYTES, Process
from mmscand_lab.guest_modules import load_module
from support.puppet import Puppet, bound_to

NULL_DISK = "null_blk"
"""A module with a disk that reads nothing, as fast as memory is taken for it."""
_DISK = Path("/dev/nullb0")
_PIECE = 1 << 20


@dataclass
class LiveActor:
    puppet: Puppet
    process: Process
    node: int | None
    fast: int | None = None

    def map(self, pages: int, *, huge: bool = False, fast: bool = False) -> int:
        return self.puppet.map(pages, huge=huge, node=self.fast if fast else self.node)

    def touch(self, address: int, pages: list[int]) -> None:
        self.puppet.touch(address, pages)

    def discard(self, address: int, pages: list[int]) -> None:
        for page in pages:
            self.puppet.say(
                "madvise", address=address + page * PAGE_BYTES, pages=1, advice=mmap.MADV_DONTNEED
            )

    def pin(self, address: int, pages: list[int]) -> None:
        assert self.puppet.pin(address, pages) == len(pages)

    def share(self, address: int) -> None:
        self.puppet.fork()

    def clone(self) -> Process:
        return Procfs().stat(self.puppet.clone()).process

    def fork(self) -> Process:
        return Procfs().stat(self.puppet.fork()).process

    def join_cgroup(self) -> None:
        root = Path("/sys/fs/cgroup")
        (root / "cgroup.subtree_control").write_text("+memory")
        own = root / f"mmscand-test-{self.puppet.pid}"
        own.mkdir()
        (own / "cgroup.procs").write_text(str(self.puppet.pid))

    def exec(self) -> None:
        self.puppet.exec()

    def exit(self) -> None:
        self.puppet.exit()


@dataclass
class LiveWorld:
    machine: LinuxMachine
    slow: int
    fast: int
    exact: bool
    puppets: list[Puppet] = field(default_factory=list)
    ends: ExitStack = field(default_factory=ExitStack)
    """Of what was started."""

    def actor(self) -> Actor:
        puppet = self.ends.enter_context(Puppet())
        self.puppets.append(puppet)
        node, fast = (self.slow, self.fast) if self.slow != self.fast else (None, None)
        return LiveActor(puppet, Procfs().stat(puppet.pid).process, node, fast)

    def fast_share(self, actor: LiveActor, address: int, pages: list[int]) -> float:
        """Share of these pages that are on the fast node: the kernel's own answer."""
        _, nodes = move_pages(actor.process.pid, addresses_of(address, pages), None)
        return float((nodes == self.fast).mean())

    def fill_cache(self) -> None:
        if not _DISK.exists():
            load_module(NULL_DISK, Path(os.environ["MMSCAND_GUEST_FILES"]), "gb=2", "nr_devices=1")
        into, wanted = mmap.mmap(-1, _PIECE), self.machine.free_pages(self.fast) * PAGE_BYTES
        # Pages of a disk are dropped when the last of those that have it open closes it.
        disk = self.ends.enter_context(_DISK.open("rb", buffering=0))
        with bound_to(self.fast):
            for _ in range(wanted // _PIECE + 1):
                disk.readinto(into)

    @contextmanager
    def demotion(self) -> Iterator[None]:
        switch = Path("/sys/kernel/mm/numa/demotion_enabled")
        before = switch.read_text()
        switch.write_text("1")
        try:
            yield
        finally:
            switch.write_text(before)


@contextmanager
def live_world(machine: LinuxMachine, *, exact: bool) -> Iterator[LiveWorld]:
    """All actors end with it."""
    tiers = machine.topology()
    world = LiveWorld(machine, max(tiers.slow), min(tiers.fast or tiers.slow), exact)
    with world.ends:
        yield world


def one_node_machine() -> LinuxMachine:
    """This kernel with all its nodes called slow: enough for everything but moves."""
    nodes = NodeReader()
    everything = frozenset(node.id for node in nodes.nodes())
    return open_machine(read_topology(nodes, fast=frozenset(), slow=everything))
