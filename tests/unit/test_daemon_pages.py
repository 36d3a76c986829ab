"""The daemon on the simulated machine: which pages are looked at, and what is reported of them."""

from dataclasses import replace

from mmscand.daemon import Daemon
from mmscand.model import VmaFlag
from mmscand.observe.events import Event, PassEnd, PassStart
from support.sim_daemon import HOT, Recorder, running, steady, tiers, touching


def test_mappings_that_are_left_out_are_reported_by_rule_and_brought_in_by_option() -> None:
    world = tiers()
    world.vma.flags |= VmaFlag.SHARED
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        recorder.wait_for(PassEnd, lambda event: event.number >= 2)
        for status in (daemon.status(), daemon.status().processes[0]):
            assert status.skipped_mappings == {"shared_memory": 1}
            assert status.skipped_pages == {"shared_memory": 2048}
        daemon.settings.change({"shared_memory": True})
        recorder.wait_for_promoted(world.process.process, len(HOT))
        assert daemon.status().skipped_mappings == {}
    assert world.on_fast() == HOT


def test_what_others_map_too_is_promoted_only_where_its_cgroup_can_be_aged() -> None:
    world = tiers()
    world.vma.shared[:] = True
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        daemon.settings.change({"shared_memory": True})
        shared: list[int] = []

        def found_out(event: PassEnd) -> bool:
            shared.append(event.shared)  # once: afterwards they are left out for many passes
            return any(shared) and "no memory accounting" in daemon.status().processes[0].aging

        recorder.wait_for(PassEnd, found_out)
        assert world.on_fast() == []
        world.process.cgroup = "/db"
        recorder.wait_for_promoted(world.process.process, len(HOT))
        assert daemon.status().processes[0].aging == "shared pages with all of cgroup /db"
        for _ in range(8):
            recorder.wait_for(PassEnd)
    assert world.on_fast() == HOT


def test_shared_mappings_of_a_group_are_aged_in_bulk_and_not_alone_as_well() -> None:
    world = tiers()
    own = world.machine.map(world.process, 8 << 30, 512, 1)
    world.vma.flags |= VmaFlag.SHARED
    world.process.cgroup = "/db"

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            world.vma.accessed.reshape(-1)[HOT] = own.accessed[0, :3] = True
            world.process.run()

    recorder = Recorder(hook)
    with running(world.machine, recorder) as daemon:
        daemon.settings.change({"shared_memory": True})
        in_group = recorder.wait_for(PassEnd, lambda event: event.slow > 2048)
        # Those of `own` may have moved before.
        recorder.wait_for(PassEnd, lambda event: world.on_fast() == HOT)
    assert in_group.aged <= 512
    assert world.on_fast() == HOT


def test_memory_that_is_bound_to_slow_nodes_stays_there_and_is_counted() -> None:
    world = tiers()
    world.vma.policy = frozenset({1})
    free = world.machine.map(world.process, 8 << 30, 512, 1)

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            world.vma.accessed.reshape(-1)[HOT] = True
            free.accessed[0, :3] = True

    recorder = Recorder(hook)
    with running(world.machine, recorder) as daemon:
        recorder.wait_for_promoted(world.process.process, 3)
        recorder.wait_for(PassEnd, lambda event: event.number >= 8)
        status = daemon.status()
    assert status.counters["promoted"] == 3
    assert status.skipped_pages == {"bound": 2048}
    assert world.on_fast() == []
    assert (world.machine.nodes_of(free)[0, :4] == 0).tolist() == [True, True, True, False]


def test_a_cpuset_without_the_fast_node_keeps_everything_where_it_is() -> None:
    world = tiers()
    world.process.cpuset = frozenset({1})
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        recorder.wait_for(PassEnd, lambda event: event.number >= 8)
        assert daemon.status().skipped_pages == {"cpuset": 2048}
        assert world.on_fast() == []
        world.process.cpuset = None
        recorder.wait_for_promoted(world.process.process, len(HOT))
    assert world.on_fast() == HOT


def test_hotness_is_reported_by_node_and_without_what_was_promoted() -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder, dry_run=True) as daemon:
        recorder.wait_for(PassEnd, lambda event: event.number >= 8)
        dry = daemon.status()
    assert dry.hotness == dry.processes[0].hotness == {1: [0, 0, 0, 0, 0, 0, 2048]}  # never aged
    with running(world.machine, recorder) as daemon:
        recorder.wait_for_promoted(world.process.process, len(HOT))
        recorder.wait_for(PassEnd, lambda event: event.number >= 10)
        assert daemon.status().hotness == {1: [2048 - len(HOT), 0, 0, 0, 0, 0, 0]}


def test_top_tier_pages_are_counted_beside_the_slow_ones() -> None:
    world = tiers()
    fast = world.machine.map(world.process, 4 << 30, 512, 0)
    fast.accessed[0, :500] = False
    recorder = Recorder()
    with running(world.machine, recorder):
        first = recorder.wait_for(PassEnd)
    assert (first.slow, first.accessed) == (2048, 2048)
    assert (first.fast, first.fast_accessed) == (512, 12)


def test_each_visit_begins_with_an_event_that_reports_where() -> None:
    world = tiers(pages=1 << 20, slow_pages=1 << 21)  # 4 GiB, 2 GiB a visit
    sizes = dict.fromkeys(("scan_size_mb", "scan_size_min_mb", "scan_size_max_mb"), 2048)
    recorder = Recorder()
    daemon = Daemon(world.machine, settings=replace(steady(), **sizes), observer=recorder)
    daemon.start()
    try:
        starts = [recorder.wait_for(PassStart) for _ in range(2)]
    finally:
        daemon.stop()
    assert [(start.number, start.cursor >> 30) for start in starts] == [(1, 0), (1, 3)]


def test_pages_that_cannot_be_aged_are_never_taken_for_hot() -> None:
    world = tiers()
    world.vma.unaged = True
    other = world.machine.map(world.process, 8 << 30, 512, 1)

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            other.accessed[0, :3] = True

    recorder = Recorder(hook)
    for hot_passes in (1, 2):
        with running(world.machine, recorder) as daemon:
            daemon.settings.change({"hot_passes": hot_passes, "shared_recheck_passes": 3})
            recorder.wait_for(PassEnd, lambda event: event.unaged == 2048)
            recorder.wait_for(PassEnd, lambda event: event.number >= 12)
    assert world.on_fast() == []
    assert (world.machine.nodes_of(other)[0, :4] == 0).tolist() == [True, True, True, False]


def test_pages_that_are_still_shared_are_not_counted_again_at_each_recheck() -> None:
    world = tiers()
    world.vma.shared.reshape(-1)[HOT[:3]] = True
    recorder = Recorder(touching(world, HOT))
    daemon = running(world.machine, recorder)
    daemon.settings.change({"shared_recheck_passes": 4})
    with daemon:
        recorder.wait_for_promoted(world.process.process, len(HOT) - 3)
        recorder.wait_for(PassEnd, lambda event: event.number >= 40)
        assert daemon.status().counters["shared"] == 3
        world.vma.shared[:] = False
        recorder.wait_for_promoted(world.process.process, 3)
    assert world.on_fast() == HOT
