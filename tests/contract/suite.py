"""What every machine behind the seam promises. Each test gets a `world` and is run on all of them.

`tests/unit/sim` runs it on the simulated machine, `tests/live` on this kernel with one node (moves
go nowhere, and other agents may clear bits), `tests/guest` on a two-tier kernel, exactly.
"""

import errno
import time
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import pytest

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.machine import AddressSpace, Machine
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    BoolArray,
    PageBlock,
    Process,
    UIntArray,
    VmaTable,
)

PAGES = 4 * PAGES_PER_TABLE


class Actor(Protocol):
    """A process of the world that does what the test says."""

    @property
    def process(self) -> Process: ...

    def map(self, pages: int, *, huge: bool = False, fast: bool = False) -> int:
        """Fresh, touched memory on the slow node, or on the fast one."""
        ...

    def touch(self, address: int, pages: list[int]) -> None: ...

    def discard(self, address: int, pages: list[int]) -> None:
        """Give pages back, and leave holes in the mapping (MADV_DONTNEED)."""
        ...

    def pin(self, address: int, pages: list[int]) -> None:
        """Have somebody hold these pages, so that they cannot be moved."""
        ...

    def share(self, address: int) -> None:
        """Let another process map the same pages."""
        ...

    def join_cgroup(self) -> None:
        """Move to a cgroup with memory accounting of its own; its children are born there."""
        ...

    def clone(self) -> Process:
        """A process that shares its address space."""
        ...

    def fork(self) -> Process:
        """A process with a copy of it."""
        ...

    def exec(self) -> None: ...

    def exit(self) -> None: ...


class World(Protocol):
    """A machine, and the means to make things happen on it."""

    machine: Machine
    slow: int
    fast: int
    exact: bool
    """Nobody else clears Accessed bits here."""

    def actor(self) -> Actor: ...

    def fill_cache(self) -> None:
        """Read files until their pages fill the fast node; asked of exact worlds."""
        ...

    def demotion(self) -> AbstractContextManager[None]:
        """The kernel demotes from fast nodes that are short of memory; asked of exact worlds."""
        ...


class Seen:
    """All pages of one mapping as a pass sees them."""

    def __init__(self, space: AddressSpace, address: int, pages: int) -> None:
        self.space = space
        self.vmas = mapping(space, address, pages)
        self.blocks: list[PageBlock] = []
        for window in space.read(self.vmas):
            self.blocks += [_own(block) for block in window.blocks]

    def flags(self, name: str) -> BoolArray:
        """One flag of every 4K page, in address order."""
        parts = sorted(
            (
                (int(block.addresses[row]), getattr(block, name)[row], block.pages_per_slot)
                for block in self.blocks
                for row in range(len(block.addresses))
            ),
            key=lambda part: part[0],
        )
        return np.concatenate([np.repeat(flags, size) for _, flags, size in parts])

    def age(self, pages: list[int] | None = None) -> None:
        """Age these pages, or all."""
        chosen = set(pages) if pages is not None else None
        for block in self.blocks:
            mask = np.zeros_like(block.present)
            first = int(self.vmas.starts[0])
            for row, column in np.argwhere(block.present):
                at = int(block.addresses[row]) + int(column) * PAGE_BYTES
                mask[row, column] = chosen is None or (at - first) // PAGE_BYTES in chosen
            self.space.age(block, mask, self.vmas)


def _own(block: PageBlock) -> PageBlock:
    return PageBlock(
        block.addresses.copy(),
        block.pages_per_slot,
        block.frames.copy(),
        block.present.copy(),
        block.accessed.copy(),
        block.slow.copy(),
    )


def mapping(space: AddressSpace, address: int, pages: int) -> VmaTable:
    """The mapping that holds an address, cut to these pages."""
    vmas = space.vmas()
    row = int(vmas.index_of(np.array([address], dtype=np.uint64))[0])
    assert row >= 0
    start = np.array([address], dtype=np.uint64)
    return VmaTable(start, start + np.uint64(pages * PAGE_BYTES), vmas.flags[row : row + 1])


def written_huge_pages(actor: Actor) -> int:
    """PAGES, none of which is all zero: a split maps the shared zero page for those (6.12 on)."""
    address = actor.map(PAGES, huge=True)
    actor.touch(address, list(range(PAGES)))
    return address


def sizes_and_frames(space: AddressSpace, address: int) -> list[tuple[int, int]]:
    """4 KiB pages of a slot and first frame, of each row of PAGES from an address on."""
    rows = [
        (int(at), block.pages_per_slot, int(frame))
        for block in Seen(space, address, PAGES).blocks
        for at, frame in zip(block.addresses, block.frames[:, 0], strict=True)
    ]
    return [(pages, frame) for _, pages, frame in sorted(rows)]


def addresses_of(address: int, pages: list[int]) -> UIntArray:
    return np.array([address + page * PAGE_BYTES for page in pages], dtype=np.uint64)


def assert_flags(world: World, found: BoolArray, expected: BoolArray) -> None:
    """Equal; where others clear bits too, one page in a hundred may differ."""
    wrong = int(np.count_nonzero(found != expected))
    assert wrong <= (0 if world.exact else found.size // 100)


def settled(space: AddressSpace) -> int:
    """CPU time of a process once it sleeps: it has to fall asleep after its answer first."""
    for _ in range(100):
        before = space.cpu_ns()
        time.sleep(0.02)
        if space.cpu_ns() == before:
            return before
    raise AssertionError("it does not fall asleep")


def free_pages(world: World, node: int) -> int:
    """Once it no longer changes: memory of processes that have ended comes back late."""
    for _ in range(100):
        before = world.machine.free_pages(node)
        time.sleep(0.02)
        if abs(world.machine.free_pages(node) - before) <= 16:
            return before
    raise AssertionError("it never comes to rest")


class ContractSuite:
    """Inherit, and provide a `world` fixture."""

    @pytest.mark.area("processes")
    def test_an_actor_is_among_the_processes(self, world: World) -> None:
        assert world.actor().process in world.machine.look().running

    @pytest.mark.area("reading")
    def test_a_fresh_mapping_reads_present_accessed_and_slow(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        seen = Seen(world.machine.open(actor.process), address, PAGES)
        assert seen.flags("present").sum() == PAGES
        assert seen.flags("slow").all()
        assert_flags(world, seen.flags("accessed"), np.ones(PAGES, dtype=np.bool_))

    @pytest.mark.area("reading")
    def test_reading_changes_nothing(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        first, second = Seen(space, address, PAGES), Seen(space, address, PAGES)
        assert_flags(world, second.flags("accessed"), first.flags("accessed"))

    @pytest.mark.area("aging")
    def test_aged_pages_read_idle_until_they_are_touched(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        Seen(space, address, PAGES).age()
        assert not Seen(space, address, PAGES).flags("accessed").any()
        touched = [3, 4, 511, 512, 1500, PAGES - 1]
        actor.touch(address, touched)
        expected = np.zeros(PAGES, dtype=np.bool_)
        expected[touched] = True
        assert_flags(world, Seen(space, address, PAGES).flags("accessed"), expected)

    @pytest.mark.area("huge pages")
    def test_a_huge_page_is_one_slot_and_ages_as_one(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES, huge=True)
        space = world.machine.open(actor.process)
        seen = Seen(space, address, PAGES)
        assert {block.pages_per_slot for block in seen.blocks} == {PAGES_PER_TABLE}
        seen.age()
        actor.touch(address, [700])
        after = Seen(space, address, PAGES)
        assert {block.pages_per_slot for block in after.blocks} == {PAGES_PER_TABLE}
        expected = np.zeros(PAGES, dtype=np.bool_)
        expected[PAGES_PER_TABLE : 2 * PAGES_PER_TABLE] = True
        assert_flags(world, after.flags("accessed"), expected)

    @pytest.mark.area("huge pages")
    def test_a_split_huge_page_is_512_small_ones_with_a_bit_each_and_no_other_is_split(
        self, world: World
    ) -> None:
        actor = world.actor()
        address = written_huge_pages(actor)
        space = world.machine.open(actor.process)
        frames = sizes_and_frames(space, address)
        some = addresses_of(address, [512, 1024])
        assert space.split(some).tolist() == [True, True]
        assert [pages for pages, _ in sizes_and_frames(space, address)] == [512, 1, 1, 512]
        assert sizes_and_frames(space, address)[1][1] == frames[1][1]  # it is where it was
        Seen(space, address, PAGES).age()
        assert not Seen(space, address, PAGES).flags("accessed").any()
        actor.touch(address, [515, 1500])
        expected = np.zeros(PAGES, dtype=np.bool_)
        expected[[515, 1500]] = True
        assert_flags(world, Seen(space, address, PAGES).flags("accessed"), expected)

    @pytest.mark.area("huge pages")
    def test_a_part_of_a_split_huge_page_moves_and_the_rest_stays(self, world: World) -> None:
        actor = world.actor()
        address = written_huge_pages(actor)
        space = world.machine.open(actor.process)
        assert space.split(addresses_of(address, [512])).all()
        assert space.move(addresses_of(address, [514]), world.fast).tolist() == [world.fast]
        found = space.nodes(addresses_of(address, [513, 514, 515, 1024])).tolist()
        assert found == [world.slow, world.fast, world.slow, world.slow]

    @pytest.mark.area("huge pages")
    def test_small_pages_are_collapsed_where_most_of_them_are(self, world: World) -> None:
        actor = world.actor()
        address = written_huge_pages(actor)
        space = world.machine.open(actor.process)
        some = addresses_of(address, [512, 1024])
        assert space.split(some).all()
        space.move(addresses_of(address, list(range(512, 1000))), world.fast)
        assert space.collapse(some).tolist() == [True, True]
        assert [pages for pages, _ in sizes_and_frames(space, address)] == [512] * 4
        assert space.nodes(some).tolist() == [world.fast, world.slow]
        assert Seen(space, address, PAGES).flags("present").all()

    @pytest.mark.area("huge pages")
    def test_what_cannot_be_split_or_collapsed_keeps_no_other_page_back(self, world: World) -> None:
        actor = world.actor()
        address = written_huge_pages(actor)
        space = world.machine.open(actor.process)
        nowhere = np.array([1 << 40], dtype=np.uint64)
        some = np.concatenate((addresses_of(address, [0]), nowhere, addresses_of(address, [512])))
        assert space.split(some).tolist() == [True, False, True]
        assert space.collapse(some).tolist() == [True, False, True]
        assert [pages for pages, _ in sizes_and_frames(space, address)] == [512] * 4

    @pytest.mark.area("huge pages")
    def test_a_huge_page_that_others_map_too_is_not_split(self, world: World) -> None:
        actor = world.actor()
        address = written_huge_pages(actor)
        space = world.machine.open(actor.process)
        actor.share(address)
        assert space.split(addresses_of(address, [512])).tolist() == [False]
        assert [pages for pages, _ in sizes_and_frames(space, address)] == [512] * 4

    @pytest.mark.area("reading")
    def test_memory_pressure_is_in_percent_where_it_is_known(self, world: World) -> None:
        pressure = world.machine.memory_pressure()
        assert set(pressure) in ({"some", "full"}, set())
        assert all(0 <= percent <= 100 for percent in pressure.values())

    def test_reading_resumes_at_an_address(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        vmas = mapping(space, address, PAGES)
        start = address + HUGE_PAGE_BYTES
        rows = [
            int(row)
            for window in space.read(vmas, start)
            for block in window.blocks
            for row in block.addresses
        ]
        assert rows == list(range(start, address + PAGES * PAGE_BYTES, HUGE_PAGE_BYTES))

    @pytest.mark.area("reading")
    def test_only_what_is_asked_for_is_present(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        first, last = 100, 1500  # neither at a border of rows
        vmas = mapping(space, address + first * PAGE_BYTES, last - first)
        found: list[int] = []
        for window in space.read(vmas):
            for block in window.blocks:
                assert not ((block.accessed | block.slow) & ~block.present).any()
                found += block.slot_addresses(block.present).tolist()
        assert found == addresses_of(address, list(range(first, last))).tolist()

    @pytest.mark.area("reading")
    def test_a_window_stays_as_it_was_read(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        vmas = mapping(space, address, PAGES)
        for window in space.read(vmas):
            for block in window.blocks:
                before = _own(block)
                space.age(block, block.accessed, vmas)
                space.move(block.slot_addresses(block.slow)[:3], world.fast)
                for name in ("present", "accessed", "slow", "frames"):
                    assert np.array_equal(getattr(block, name), getattr(before, name))

    @pytest.mark.area("reading")
    def test_pages_that_were_given_back_are_holes(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        holes = [3, 4, 700]
        actor.discard(address, holes)
        expected = np.ones(PAGES, dtype=np.bool_)
        expected[holes] = False
        assert np.array_equal(Seen(space, address, PAGES).flags("present"), expected)
        some = addresses_of(address, holes)
        # Linux 6.1 says EFAULT of a hole in anonymous memory, 6.12 and the simulator ENOENT.
        assert set(space.nodes(some)) <= {-errno.ENOENT, -errno.EFAULT}
        assert set(space.move(some, world.fast)) <= {-errno.ENOENT, -errno.EFAULT}
        actor.touch(address, [5])
        assert space.nodes(addresses_of(address, [5])).tolist() == [world.slow]

    @pytest.mark.area("moving")
    def test_pages_on_the_target_already_are_reported_as_such(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        some = addresses_of(address, [1, 600])
        assert space.move(some, world.slow).tolist() == [world.slow] * 2
        actor.share(address)
        assert space.move(some, world.slow).tolist() == [world.slow] * 2

    @pytest.mark.area("moving")
    def test_a_pinned_page_is_busy_and_the_others_move(self, world: World) -> None:
        if not world.exact:
            return  # on one node nothing has to move
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        actor.pin(address, [1, 600])
        status = space.move(addresses_of(address, [0, 1, 2, 600, 601]), world.fast)
        fast, busy = world.fast, -errno.EBUSY
        assert status.tolist() == [fast, busy, fast, busy, fast]

    @pytest.mark.area("moving")
    def test_moved_pages_are_on_their_node_and_nothing_else_is(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        chosen = [0, 7, 513, 2000]
        status = space.move(addresses_of(address, chosen), world.fast)
        assert status.tolist() == [world.fast] * len(chosen)
        slow = Seen(space, address, PAGES).flags("slow")
        expected = np.ones(PAGES, dtype=np.bool_)
        if world.fast != world.slow:
            expected[chosen] = False
        assert np.array_equal(slow, expected)

    @pytest.mark.area("moving")
    def test_nodes_reports_where_each_page_is(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        some = addresses_of(address, [0, 7, 513])
        assert space.nodes(some).tolist() == [world.slow] * 3
        space.move(some[:1], world.fast)
        assert space.nodes(some).tolist() == [world.fast, world.slow, world.slow]
        assert space.nodes(np.array([1 << 40, address], dtype=np.uint64))[0] < 0

    @pytest.mark.area("huge pages")
    def test_a_huge_page_moves_whole(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES, huge=True)
        space = world.machine.open(actor.process)
        status = space.move(addresses_of(address, [PAGES_PER_TABLE]), world.fast)
        assert status.tolist() == [world.fast]
        seen = Seen(space, address, PAGES)
        assert {block.pages_per_slot for block in seen.blocks} == {PAGES_PER_TABLE}
        assert seen.flags("slow").sum() == PAGES - PAGES_PER_TABLE * (world.fast != world.slow)

    @pytest.mark.area("moving")
    def test_an_unmapped_page_does_not_move(self, world: World) -> None:
        actor = world.actor()
        actor.map(PAGES_PER_TABLE)
        status = world.machine.open(actor.process).move(
            np.array([1 << 40], dtype=np.uint64), world.fast
        )
        assert (status < 0).all()

    @pytest.mark.area("shared memory")
    def test_shared_pages_are_known_stay_set_and_stay_where_they_are(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        some = addresses_of(address, [1, 600])
        assert not space.shared(some).any()
        actor.share(address)
        assert space.shared(some).all()
        Seen(space, address, PAGES).age()
        assert_flags(
            world,
            Seen(space, address, PAGES).flags("accessed"),
            np.ones(PAGES, dtype=np.bool_),
        )
        if world.fast != world.slow:
            assert (space.move(some, world.fast) < 0).all()

    @pytest.mark.area("shared memory")
    def test_bulk_aging_clears_shared_bits_and_shared_pages_move_on_request(
        self, world: World
    ) -> None:
        if not world.exact:
            return  # no cgroup is made, and nothing is aged, on a machine that is not ours
        actor = world.actor()
        with pytest.raises(MachineCannot):
            world.machine.bulk_group(actor.process)
        actor.join_cgroup()
        address = actor.map(PAGES)
        actor.share(address)
        space = world.machine.open(actor.process)
        for hot in ([], [1, 5, 600]):
            world.machine.age_bulk(world.machine.bulk_group(actor.process))
            actor.touch(address, hot)
            expected = np.zeros(PAGES, dtype=np.bool_)
            expected[hot] = True
            assert_flags(world, Seen(space, address, PAGES).flags("accessed"), expected)
        cold = addresses_of(address, [2, 7])  # a touched page is no longer shared, it was copied
        assert space.shared(cold).all()
        assert (space.move(cold, world.fast) < 0).all()
        assert (space.move(cold, world.fast, shared=True) == world.fast).all()

    @pytest.mark.area("moving")
    def test_pages_without_a_policy_may_go_anywhere_and_unmapped_ones_nowhere(
        self, world: World
    ) -> None:
        actor = world.actor()
        address = actor.map(PAGES_PER_TABLE)
        space = world.machine.open(actor.process)
        addresses = np.array([address, address + PAGE_BYTES, 1 << 40], dtype=np.uint64)
        allowed = space.allowed_nodes(addresses, space.vmas())
        sets = [allowed.sets[place] for place in allowed.of]
        assert sets[0] == sets[1] >= {world.fast, world.slow}
        assert sets[2] == frozenset()

    @pytest.mark.area("processes")
    def test_a_process_with_more_memory_is_larger(self, world: World) -> None:
        small, large = world.actor(), world.actor()
        large.map(8 * PAGES_PER_TABLE)
        pages = [world.machine.open(each.process).resident_pages() for each in (small, large)]
        assert pages[1] - pages[0] >= 7 * PAGES_PER_TABLE

    @pytest.mark.area("processes")
    def test_nothing_is_known_of_unseen_use_where_there_is_none(self, world: World) -> None:
        space = world.machine.open(world.actor().process)
        space.vmas()
        assert space.unseen_use() == ""

    @pytest.mark.area("processes")
    def test_a_process_that_touches_memory_has_run_and_one_that_sleeps_has_not(
        self, world: World
    ) -> None:
        actor = world.actor()
        address = actor.map(PAGES_PER_TABLE)
        space = world.machine.open(actor.process)
        slept = settled(space)
        actor.touch(address, [0])
        assert settled(space) > slept

    @pytest.mark.area("processes")
    def test_exec_is_a_new_generation(self, world: World) -> None:
        actor = world.actor()
        space = world.machine.open(actor.process)
        before = space.generation()
        assert space.generation() == before
        actor.exec()
        assert space.generation() != before

    @pytest.mark.area("processes")
    def test_processes_with_one_address_space_have_one_identity(self, world: World) -> None:
        actor = world.actor()
        mine, clone, fork = (
            world.machine.open(process) for process in (actor.process, actor.clone(), actor.fork())
        )
        identity = mine.identity()
        assert (mine.identity(), clone.identity()) == (identity, identity)
        assert fork.identity() != identity
        actor.exec()
        assert mine.identity() not in (identity, fork.identity())
        assert clone.identity() == identity
        for space in (mine, clone, fork):
            space.close()

    @pytest.mark.area("processes")
    def test_names_are_those_of_the_mappings(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        found = world.machine.mapping_names(actor.process)
        space = world.machine.open(actor.process)
        vmas = space.vmas()
        space.close()
        row = int(vmas.index_of(np.array([address], dtype=np.uint64))[0])
        names = dict(zip(found.starts.tolist(), found.names, strict=True))
        assert names[int(vmas.starts[row])] == b""  # anonymous memory
        assert found.of(vmas) == [names[start] for start in vmas.starts.tolist()]
        actor.exit()
        with pytest.raises(ProcessGone):
            world.machine.mapping_names(actor.process)

    @pytest.mark.area("processes")
    def test_a_look_reports_who_is_new_and_who_called_execve(self, world: World) -> None:
        world.machine.look()
        actor, other = world.actor(), world.actor()
        assert {actor.process, other.process} <= world.machine.look().changed
        actor.exec()
        look = world.machine.look()
        assert actor.process in look.changed
        assert not look.quiet
        assert {actor.process, other.process} <= set(look.running)

    @pytest.mark.area("processes")
    def test_a_process_that_has_exited_is_gone(self, world: World) -> None:
        actor = world.actor()
        address = actor.map(PAGES)
        space = world.machine.open(actor.process)
        actor.exit()
        assert actor.process not in world.machine.look().running
        with pytest.raises(ProcessGone):
            space.vmas()
        with pytest.raises(ProcessGone):
            space.generation()
        with pytest.raises(ProcessGone):
            space.cpu_ns()
        with pytest.raises(ProcessGone):
            space.move(addresses_of(address, [0]), world.fast)
        with pytest.raises(ProcessGone):
            space.split(addresses_of(address, [0]))
        with pytest.raises(ProcessGone):
            space.collapse(addresses_of(address, [0]))
        with pytest.raises(ProcessGone):
            world.machine.open(actor.process)

    @pytest.mark.area("processes")
    def test_another_process_with_that_pid_is_not_opened(self, world: World) -> None:
        process = world.actor().process
        impostor = Process(process.pid, process.start_time + 1, process.name)
        with pytest.raises(ProcessGone):
            world.machine.open(impostor)

    def test_free_pages_are_fewer_by_what_is_mapped_until_its_owner_exits(
        self, world: World
    ) -> None:
        if not world.exact:
            return
        actor = world.actor()
        pages = 4 * PAGES
        before = free_pages(world, world.slow)
        actor.map(pages)
        used = free_pages(world, world.slow)
        assert pages // 2 < before - used < 2 * pages
        actor.exit()
        # The kernel keeps some thousands for each CPU for a while, and counts them as used; from
        # 6.7 on the number follows the load, and falls by an eighth a second.
        for _ in range(2400):
            if world.machine.free_pages(world.slow) > used + pages // 2:
                return
            time.sleep(0.05)
        raise AssertionError("its memory does not come back")

    @pytest.mark.area("moving")
    def test_page_cache_gives_way_to_pages_that_are_moved_to_its_node(self, world: World) -> None:
        if not world.exact:
            return
        world.fill_cache()
        cache = world.machine.page_cache(world.fast)
        actor, every, moved = world.actor(), list(range(PAGES)), 0
        # What is free goes first, and pages on the lists of each CPU, which no counter shows.
        while world.machine.page_cache(world.fast).pages >= cache.pages - PAGES:
            assert moved < world.machine.free_pages(world.fast) + cache.idle, "none was dropped"
            address = actor.map(PAGES)
            space = world.machine.open(actor.process)
            assert set(space.move(addresses_of(address, every), world.fast)) == {world.fast}
            moved += PAGES

    def test_a_fast_node_that_is_short_of_memory_loses_its_cold_pages_to_the_slow_one(
        self, world: World
    ) -> None:
        if not world.exact:
            return
        actor, filler = world.actor(), world.actor()
        cold, hot = (actor.map(PAGES, fast=True) for _ in range(2))
        space = world.machine.open(actor.process)
        Seen(space, cold, PAGES).age()
        every = list(range(PAGES))
        with world.demotion():
            whole = free_pages(world, world.fast) // PAGES_PER_TABLE * PAGES_PER_TABLE
            filler.map(max(whole, PAGES_PER_TABLE), fast=True)
            for _ in range(200):
                if (space.nodes(addresses_of(cold, every)) == world.slow).sum() > PAGES // 4:
                    break
                filler.map(PAGES_PER_TABLE, fast=True)
                actor.touch(hot, every)
            filler.exit()
        lost = [space.nodes(addresses_of(address, every)) for address in (cold, hot)]
        assert all((nodes >= 0).all() for nodes in lost)
        assert (lost[0] == world.slow).sum() > PAGES // 4
        assert (lost[1] == world.slow).sum() < (lost[0] == world.slow).sum()
