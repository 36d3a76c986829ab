"""Finding the direct map, and choosing a reader that proves itself."""

import itertools
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.errors import MachineCannot
from mmscand.linux import readers
from mmscand.linux.kernel_memory import KernelMemory
from mmscand.linux.page_tables import DirectMap
from mmscand.linux.procfs import Procfs
from mmscand.linux.readers import ProbeMapping, best_reader, find_direct_map, open_reader
from mmscand.model import UIntArray
from synthetic.kernel import OFFSETS, Kernel
from synthetic.memory import FakeMemory
from synthetic.tables import PAGE, RAM, REGION, PageTables

BASE = 0xFFFF_8880_0000_0000
PAGES = 16


class FakeProbe(ProbeMapping):
    """A mapping of this process that is mapped in made-up tables, at made-up frames."""

    def __init__(self, tables: PageTables, frames: list[int], *, accessed: bool = True) -> None:
        super().__init__(len(frames))
        self._frames = frames
        for number, frame in enumerate(frames):
            tables.map(self.address + number * PAGE, frame, accessed=accessed)

    def frames(self) -> UIntArray:
        return np.array(self._frames, dtype=np.uint64)


FRAMES = [RAM[1][0] + number * 7 * PAGE for number in range(PAGES)]
REAL_RAM = ((PAGE, 0x9F000), (1 << 20, 3 << 30), (1 << 32, (1 << 32) + 9 * REGION + (5 << 20)))
"""As the memory map of a PC has it: a hole below 1 MiB and one below 4 GiB."""


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1 << 16),
    st.sampled_from([4, 5]),
    st.sampled_from([0, 0, 1 << 36, 1 << 47, 1 << 51]),
    st.sampled_from([1 << 30, 3 * REGION - 64 * PAGE, 0x7777 * PAGE, RAM[1][0] + 5 * PAGE]),
)
def test_the_direct_map_is_found_wherever_the_kernel_put_it(
    gigabytes: int, levels: int, encryption_bit: int, tables_at: int
) -> None:
    memory = FakeMemory((BASE if levels == 4 else 0xFF11_0000_0000_0000) + gigabytes * REGION)
    tables = PageTables(memory, levels, encryption_bit, tables_at=tables_at)
    ram = RAM if encryption_bit != 1 << 36 else RAM[:1]  # the bit is above all memory
    frames = FRAMES if len(ram) > 1 else [PAGE * (9 + number) for number in range(PAGES)]
    if tables_at >= ram[-1][1]:
        return
    probe = FakeProbe(tables, frames)
    found = find_direct_map(memory, tables.pgd, ram, probe)
    assert found == DirectMap(memory.base, ram, levels, encryption_bit)


@pytest.mark.parametrize("tables_at", [PAGE, 2 << 20, (3 << 30) - 64 * PAGE, (1 << 32) + (4 << 20)])
def test_ram_that_begins_inside_a_gigabyte_is_searched_too(tables_at: int) -> None:
    memory = FakeMemory(BASE + 77 * REGION)
    tables = PageTables(memory, tables_at=tables_at)
    frames = [(1 << 32) + number * PAGE for number in range(PAGES)]
    found = find_direct_map(memory, tables.pgd, REAL_RAM, FakeProbe(tables, frames))
    assert found == DirectMap(memory.base, REAL_RAM, 4, 0)


@pytest.mark.parametrize("encryption_bit", [0, 1 << 47])
def test_wrong_guesses_never_read_above_the_direct_map(encryption_bit: int) -> None:
    """There may be memory of a device there, for which a read is no small thing."""
    memory = FakeMemory(BASE + 77 * REGION)
    ram = ((0, 8 * REGION),)
    tables = PageTables(memory, 4, encryption_bit, tables_at=6 * REGION)
    probe = FakeProbe(tables, FRAMES)
    found = find_direct_map(memory, tables.pgd, ram, probe)
    assert found == DirectMap(memory.base, ram, 4, encryption_bit)
    assert max(memory.reads) < memory.base + 8 * REGION


def test_what_the_headers_of_kcore_say_is_tried_before_any_guess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = FakeMemory(BASE + 77 * REGION)
    tables = PageTables(memory, tables_at=3 * REGION)
    probe, ram = FakeProbe(tables, FRAMES), ((0, 8 * REGION),)
    monkeypatch.setattr(readers, "direct_map_bases", lambda: [memory.base])
    found = find_direct_map(memory, tables.pgd, ram, probe)
    assert found.base == memory.base
    assert min(memory.reads) >= memory.base
    monkeypatch.setattr(readers, "direct_map_bases", lambda: [memory.base - REGION])
    assert find_direct_map(memory, tables.pgd, ram, probe).base == memory.base


def test_tables_that_disagree_with_pagemap_in_one_page_are_not_ours() -> None:
    memory = FakeMemory(BASE)
    tables = PageTables(memory)
    probe = FakeProbe(tables, FRAMES)
    probe._frames = [*FRAMES[:-1], FRAMES[-1] + PAGE]
    with pytest.raises(MachineCannot, match="cannot be made out"):
        find_direct_map(memory, tables.pgd, RAM, probe)


def test_a_pgd_outside_ram_has_no_direct_map() -> None:
    memory = FakeMemory(BASE)
    tables = PageTables(memory)
    probe = FakeProbe(tables, FRAMES)
    with pytest.raises(MachineCannot):
        find_direct_map(memory, tables.pgd, (), probe)


class World:
    """A kernel that knows this process, its page tables, and a /proc to go with it."""

    def __init__(self, root: Path) -> None:
        self.memory = FakeMemory(BASE)
        self.tables = PageTables(self.memory)
        self.kernel = Kernel(self.memory)
        self.kernel.spawn(1, os.getpid(), start=555)
        self.kernel.set_mm(1, 1, self.tables.pgd)
        self.procfs = Procfs(root / "proc")
        folder = root / "proc" / str(os.getpid())
        folder.mkdir(parents=True)
        (folder / "stat").write_text(f"1 (py test) S {'0 ' * 18}555 0 0\n")
        boot = root / "proc/sys/kernel/random"
        boot.mkdir(parents=True)
        (boot / "boot_id").write_text("boot-1\n")
        self.cache = root / "offsets.json"
        self.cache.write_text(json.dumps({"boot_id": "boot-1", **asdict(OFFSETS)}))


@pytest.fixture(autouse=True)
def no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of this machine."""
    monkeypatch.setattr(readers, "direct_map_bases", list)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr(readers, "OFFSETS_CACHE", made.cache)
    use(monkeypatch, {"fake": lambda: made.memory})
    return made


def use(monkeypatch: pytest.MonkeyPatch, table: dict[str, Callable[[], KernelMemory]]) -> None:
    monkeypatch.setattr(readers, "READERS", table)


def set_probe(monkeypatch: pytest.MonkeyPatch, world: World, *, accessed: bool = True) -> FakeProbe:
    probe = FakeProbe(world.tables, FRAMES, accessed=accessed)
    monkeypatch.setattr(readers, "ProbeMapping", lambda: probe)
    return probe


def test_a_reader_that_passes_its_self_test_is_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_probe(monkeypatch, world)
    reader = open_reader("fake", RAM, world.procfs)
    assert reader.direct_map == DirectMap(BASE, RAM, 4, 0)
    assert not world.memory.closed
    reader.close()
    assert world.memory.closed


def test_a_reader_that_never_sees_an_access_is_not_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_probe(monkeypatch, world, accessed=False)
    with pytest.raises(MachineCannot, match="accessed"):
        open_reader("fake", RAM, world.procfs)
    assert world.memory.closed


def test_a_reader_that_reads_other_frames_later_is_not_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = set_probe(monkeypatch, world)
    answers = itertools.chain([probe._frames], itertools.repeat(probe._frames[::-1]))
    monkeypatch.setattr(probe, "frames", lambda: np.array(next(answers), dtype=np.uint64))
    with pytest.raises(MachineCannot, match="differ from pagemap"):
        open_reader("fake", RAM, world.procfs)
    assert world.memory.closed


def test_a_page_that_migrates_during_the_proof_is_no_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = set_probe(monkeypatch, world)
    moved = [*probe._frames[:-1], probe._frames[-1] + PAGE]
    answers = [moved, probe._frames, moved, moved, probe._frames]
    monkeypatch.setattr(probe, "frames", lambda: np.array(answers.pop(0), dtype=np.uint64))
    assert open_reader("fake", RAM, world.procfs).direct_map == DirectMap(BASE, RAM, 4, 0)
    assert answers == []


def test_a_pid_namespace_in_which_we_have_another_pid_makes_no_reader(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_probe(monkeypatch, world)
    world.kernel.end(1)  # the kernel's list has no process with our pid and start time
    with pytest.raises(MachineCannot):
        open_reader("fake", RAM, world.procfs)
    assert world.memory.closed


def cannot() -> KernelMemory:
    raise MachineCannot("no BPF here", hint="take another kernel")


def test_the_first_reader_that_works_is_chosen_and_the_reasons_are_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_probe(monkeypatch, world)
    use(monkeypatch, {"one": cannot, "two": lambda: world.memory, "three": cannot})
    reader, reasons = best_reader(RAM, world.procfs)
    assert reader is not None
    assert reader.memory is world.memory
    assert reasons == {"one": "no BPF here: take another kernel"}


def test_no_reader_that_works_is_none_with_every_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, {"one": cannot, "two": cannot})
    reader, reasons = best_reader(RAM, world.procfs)
    assert reader is None
    assert list(reasons) == ["one", "two"]
