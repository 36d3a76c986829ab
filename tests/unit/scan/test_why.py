"""Why pages are where they are, asked of the daemon while it runs."""

from mmscand.daemon import Daemon
from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, REGION_BYTES
from mmscand.observe.events import Event, Moved, PassEnd
from mmscand.reasons import REASONS
from mmscand.settings import Settings
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from support.sim_daemon import Recorder

HOT_PAGES, PAGES = 256, 4096


def settings(policy: str) -> Settings:
    return Settings(scan_delay_ms=0, cpu_budget_percent=100.0, policy=policy)


class World:
    """Two mappings side by side in one row of 2 MiB each, of which the second one is hot."""

    def __init__(self, policy: str = "capacity") -> None:
        self.machine = SimMachine(sim_topology((0,), (1,), {0: 4096, 1: 16384}))
        self.process = self.machine.spawn(100, "app")
        self.cold = self.machine.map(self.process, REGION_BYTES, PAGES, 1)
        self.hot = self.machine.map(self.process, 2 * REGION_BYTES, 512, 1)
        self.cold.name, self.hot.name = b"/cold", b"[heap]"
        self.recorder = Recorder(self.touch)
        self.daemon = Daemon(self.machine, settings=settings(policy), observer=self.recorder)

    @property
    def shows_fast_pages(self) -> bool:
        found = self.daemon.why(100)
        return found is not None and any(each.fast for each in found.mappings)

    def touch(self, event: Event) -> None:
        self.hot.touch(range(HOT_PAGES))
        self.process.run()


def test_each_mapping_and_each_page_has_its_reason() -> None:
    world = World()
    with world.daemon as daemon:
        world.recorder.wait_for(Moved, lambda event: event.promoted > 0)
        world.recorder.wait_for(PassEnd, lambda _: world.shows_fast_pages)  # of a later look
        found = daemon.why(100, 2 * REGION_BYTES)
        nothing = daemon.why(100, 5 * REGION_BYTES)
        assert daemon.why(101) is None
        every = daemon.why(100)
    assert found is not None
    assert nothing is not None
    assert every is not None
    assert (nothing.page, nothing.mappings) == (None, ())
    assert [each.name for each in found.mappings] == [b"[heap]"]
    cold, hot = every.mappings
    assert (cold.name, hot.name) == (b"/cold", b"[heap]")
    assert (cold.fast + sum(cold.slow.values()), hot.fast + sum(hot.slow.values())) == (PAGES, 512)
    assert hot.fast > 0
    assert cold.fast == 0
    assert set(cold.slow) <= set(REASONS)
    page = found.page
    assert page is not None
    assert page.address == 2 * REGION_BYTES
    if page.fast:
        assert page.reason is None
        assert page.moved_s is not None
        assert not page.demoted
        assert page.saved_s >= 0


def test_policies_without_rates_say_sizes_alone() -> None:
    world = World("two-pass")
    with world.daemon as daemon:
        world.recorder.wait_for(PassEnd, lambda event: event.number > 1)
        found, every = daemon.why(100, REGION_BYTES), daemon.why(100)
    assert found is not None
    assert every is not None
    assert not found.has_rates
    assert every.mappings[0].slow == {"": PAGES}
    assert found.page is not None
    assert found.page.rate is None


def test_a_huge_page_is_one_page() -> None:
    world = World()
    world.machine.map(world.process, 3 * REGION_BYTES, 1024, 1, huge=True)
    with world.daemon as daemon:
        world.recorder.wait_for(PassEnd, lambda event: event.number > 3)
        found = daemon.why(100, 3 * REGION_BYTES + HUGE_PAGE_BYTES + 7 * PAGE_BYTES)
    assert found is not None
    assert found.page is not None
    assert (found.page.address, found.page.pages) == (3 * REGION_BYTES + HUGE_PAGE_BYTES, 512)
