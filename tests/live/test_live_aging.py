"""Aging on this kernel: no folio is split, and mappings that refuse are left out."""

import contextlib
import re
from pathlib import Path

import numpy as np
import pytest

from contract.suite import PAGES, Seen
from mmscand.linux.machine import LinuxMachine
from mmscand.linux.procfs import Procfs
from mmscand.model import PAGE_BYTES, PAGES_PER_TABLE, VmaFlag
from support.puppet import Puppet

_MLOCK_FLAG = 0


def huge_pages(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    match = re.search(r"AnonHugePages:\s+(\d+)", text)
    assert match
    return int(match[1]) // 2048


def test_no_huge_page_is_split_whatever_is_aged(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        address = puppet.map(PAGES, huge=True)
        puppet.map(PAGES)
        space = machine.open(Procfs().stat(puppet.pid).process)
        before = huge_pages(puppet.pid)
        for _ in range(3):
            Seen(space, address, PAGES).age()
        assert huge_pages(puppet.pid) == before == PAGES // PAGES_PER_TABLE


def test_a_locked_mapping_is_refused_once_and_marked(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        address = puppet.map(PAGES)
        answer = puppet.say("libc", name="mlock", arguments=[address, PAGES * PAGE_BYTES])
        if answer["result"] != 0:
            pytest.skip("mlock is not allowed here")
        space = machine.open(Procfs().stat(puppet.pid).process)
        vmas = space.vmas()
        for window in space.read(vmas):
            for block in window.blocks:
                space.age(block, block.slow & block.accessed, vmas)
        locked = np.array([address], dtype=np.uint64)
        assert vmas.index_of(locked)[0] >= 0
        again = space.vmas()
        assert again.flags[again.index_of(locked)[0]] & VmaFlag.REFUSED


def test_a_mapping_that_goes_away_while_it_is_aged_is_a_normal_result(
    machine: LinuxMachine,
) -> None:
    with Puppet() as puppet:
        address = puppet.map(PAGES)
        other = puppet.map(PAGES)
        space = machine.open(Procfs().stat(puppet.pid).process)
        seen = Seen(space, address, PAGES)
        puppet.say("libc", name="munmap", arguments=[address, PAGES * PAGE_BYTES])
        seen.age()
        assert not Seen(space, other, PAGES).flags("present").sum() < PAGES


def test_a_range_with_a_hole_is_aged_behind_it_too(machine: LinuxMachine) -> None:
    """One unmapped page made a range of up to 64 MiB count as not aged."""
    with Puppet() as puppet:
        address = puppet.map(PAGES)
        with contextlib.closing(machine.open(Procfs().stat(puppet.pid).process)) as space:
            vmas = space.vmas()
            hole = address + (PAGES // 2) * PAGE_BYTES
            assert puppet.say("libc", name="munmap", arguments=[hole, PAGE_BYTES])["result"] == 0
            whole = np.array([[address, PAGES * PAGE_BYTES]], dtype=np.uint64)
            covered, missed = space._ager.age(whole, vmas)
            assert (covered, len(missed)) == (PAGES * PAGE_BYTES, 0)
            end = address + PAGES * PAGE_BYTES
            blocks = (block for window in space.read(vmas) for block in window.blocks)
            set_bits = {
                at for block in blocks for at in block.slot_addresses(block.accessed).tolist()
            }
            assert not [at for at in set_bits if address <= at < end]
