"""The walk and the decoding against a second source: what /proc/PID/pagemap says."""

import mmap
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from contract.suite import PAGES, Seen
from mmscand.linux.machine import LinuxMachine
from mmscand.linux.pagemap import PageFlags, Pagemap
from mmscand.linux.procfs import Procfs, parse_maps
from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, PAGES_PER_TABLE, UIntArray, VmaFlag, VmaTable
from support.puppet import Puppet

_PROT_NONE, _PROT_READ = 0, 1


def walked_frames(machine: LinuxMachine, pid: int, vmas: VmaTable) -> dict[int, int]:
    """Frame of every present 4K page, by address."""
    space = machine.open(Procfs().stat(pid).process)
    found: dict[int, int] = {}
    for window in space.read(vmas):
        for block in window.blocks:
            inside = np.arange(block.pages_per_slot, dtype=np.uint64) * np.uint64(PAGE_BYTES)
            addresses = block.slot_addresses(block.present)[:, None] + inside
            frames = block.frames[block.present][:, None] + inside
            found.update(zip(addresses.ravel().tolist(), frames.ravel().tolist(), strict=True))
    space.close()
    return found


def pagemap_frames(pid: int, vmas: VmaTable) -> dict[int, int]:
    """The same, by pagemap; the zero pages are on no tier."""
    pagemap = Pagemap(pid)
    found: dict[int, int] = {}
    for start, end in zip(vmas.starts.tolist(), vmas.ends.tolist(), strict=True):
        pages = (end - start) // PAGE_BYTES
        addresses: UIntArray = np.arange(start, end, PAGE_BYTES, dtype=np.uint64)
        frames = pagemap.frames(start, pages)
        found.update(
            zip(addresses[frames != 0].tolist(), frames[frames != 0].tolist(), strict=True)
        )
    pagemap.close()
    flags = PageFlags()
    zero = {frame for frame in set(found.values()) if flags.is_zero_page(frame)}
    flags.close()
    return {address: frame for address, frame in found.items() if frame not in zero}


def ordinary(vmas: VmaTable) -> VmaTable:
    """Without the kernel's own mappings: pagemap does not say all of [vvar]'s frames."""
    return vmas.where((vmas.ends < 1 << 47) & (vmas.flags & VmaFlag.SPECIAL == 0))


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Hold a process still: its answer may be out before it has touched its last page."""
    os.kill(pid, signal.SIGSTOP)
    while Procfs().stat(pid).state not in "Tt":
        time.sleep(0.001)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def assert_walk_agrees(machine: LinuxMachine, pid: int) -> int:
    with stopped(pid):
        vmas = ordinary(parse_maps(Procfs().maps(pid)))
        expected = pagemap_frames(pid, vmas)
        assert walked_frames(machine, pid, vmas) == expected
    return len(expected)


def test_every_page_of_a_quiet_process_is_found_at_its_frame(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        puppet.map(PAGES)
        puppet.map(PAGES, huge=True)
        assert assert_walk_agrees(machine, puppet.pid) > 2 * PAGES


def test_pages_behind_prot_none_are_found_and_their_bits_reported(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        for huge in (False, True):
            address = puppet.map(PAGES, huge=huge)
            puppet.say("libc", name="mprotect", arguments=[address, PAGES * PAGE_BYTES, _PROT_NONE])
            seen = Seen(machine.open(Procfs().stat(puppet.pid).process), address, PAGES)
            assert seen.flags("present").all()
            assert seen.flags("slow").all()
        assert_walk_agrees(machine, puppet.pid)


def test_a_mapping_with_holes_is_read_to_its_end(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        address = puppet.map(PAGES)
        puppet.say("madvise", address=address, pages=700, advice=mmap.MADV_DONTNEED)
        seen = Seen(machine.open(Procfs().stat(puppet.pid).process), address, PAGES)
        # A page table that became empty may be freed, and then has no row at all.
        present = seen.flags("present")
        assert present.sum() == PAGES - 700
        assert present[-(PAGES - 2 * PAGES_PER_TABLE) :].all()


def test_a_process_that_was_forked_after_the_machine_was_opened_is_found(
    machine: LinuxMachine,
) -> None:
    with Puppet() as puppet:
        puppet.map(PAGES)
        assert assert_walk_agrees(machine, puppet.fork()) > PAGES


def test_read_only_mappings_of_files_are_read_too(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        vmas = parse_maps(Procfs().maps(puppet.pid))
        assert len(pagemap_frames(puppet.pid, ordinary(vmas))) > 100
        puppet.map(PAGES_PER_TABLE)
        puppet.say("libc", name="mprotect", arguments=[puppet.map(512), 512 * 4096, _PROT_READ])
        assert_walk_agrees(machine, puppet.pid)


@pytest.mark.parametrize("advice", [mmap.MADV_NOHUGEPAGE, mmap.MADV_HUGEPAGE])
def test_memory_that_was_only_read_is_on_no_tier(machine: LinuxMachine, advice: int) -> None:
    """It is the zero page, or the huge one, however much of it there is."""
    size = 16 * HUGE_PAGE_BYTES
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(advice)
    data = np.frombuffer(area, dtype=np.uint8)
    assert not data[::PAGE_BYTES].any()
    starts = np.array([data.ctypes.data], dtype=np.uint64)
    vmas = VmaTable(starts, starts + np.uint64(size), np.zeros(1, dtype=np.uint16))
    assert walked_frames(machine, os.getpid(), vmas) == {}
    data.flags.writeable = True
    data[5 * PAGE_BYTES] = 1
    assert walked_frames(machine, os.getpid(), vmas) != {}
