"""How full nodes are, from files that look like those of the kernel."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmscand.linux.free_memory import FreeMemory
from mmscand.model import PageCache
from support.fake_nodes import ZONE, FakeSys


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    fake = FakeSys(tmp_path)
    fake.zones()
    fake.counters(0, nr_free_pages=7866, nr_inactive_file=900, nr_active_file=7000, nr_dirty=200)
    fake.counters(1, nr_free_pages=700, nr_inactive_file=300, nr_active_file=100)
    fake.counters(10, nr_free_pages=9)
    return fake


def memory(fake: FakeSys, now: Callable[[], float] = lambda: 0.0) -> FreeMemory:
    return FreeMemory(fake.root / "sys", fake.root / "proc", now)


def test_free_pages_are_those_above_the_high_watermarks_of_all_zones(fake: FakeSys) -> None:
    # The DMA zone is protected from what higher zones can serve.
    assert memory(fake).free_pages(0) == 7866 - (84 + 1815) - 1000 - 70
    assert [memory(fake).free_pages(node) for node in (1, 10, 2)] == [600, 8, 0]


def test_of_a_lower_zone_no_more_is_kept_than_is_free(fake: FakeSys) -> None:
    found = (fake.root / "proc/zoneinfo").read_text()
    fake.write("proc/zoneinfo", found.replace("pages free     2816", "pages free     1000"))
    fake.counters(0, nr_free_pages=7866 - 1816)
    assert memory(fake).free_pages(0) == 5000 - 1000 + 50 - 70


def test_a_node_below_its_watermarks_has_no_free_pages(fake: FakeSys) -> None:
    fake.counters(1, nr_free_pages=90)
    assert memory(fake).free_pages(1) == 0


def test_counters_are_read_each_time_and_watermarks_after_ten_seconds(fake: FakeSys) -> None:
    now = [0.0]
    free = memory(fake, lambda: now[0])
    assert free.free_pages(1) == 600
    found = (fake.root / "proc/zoneinfo").read_text()
    fake.write("proc/zoneinfo", found.replace("high     100", "high     250"))
    fake.counters(1, nr_free_pages=800)
    now[0] = 9.0
    assert free.free_pages(1) == 700
    now[0] = 11.0
    assert free.free_pages(1) == 550


def test_watermarks_of_a_node_that_came_online_are_read_at_once(fake: FakeSys) -> None:
    free = memory(fake)
    assert free.free_pages(1) == 600
    found = (fake.root / "proc/zoneinfo").read_text()
    new = ZONE.format(node=2, name="Movable", free=999, high=300, spanned=999, start=0)
    fake.write("proc/zoneinfo", found + new)
    fake.counters(2, nr_free_pages=999)
    assert free.free_pages(2) == 699


def test_a_node_whose_watermarks_are_not_known_has_no_free_pages(fake: FakeSys) -> None:
    (fake.root / "proc/zoneinfo").unlink()
    assert memory(fake).free_pages(1) == 0
    assert memory(fake).page_cache(1).idle == 300


def test_a_device_s_memory_is_no_zone_that_watermarks_are_taken_from(fake: FakeSys) -> None:
    found = (fake.root / "proc/zoneinfo").read_text()
    empty = found.index("Node 1, zone  Device")
    fake.write(
        "proc/zoneinfo", found[:empty] + found[empty:].replace("present  0", "present  9", 1)
    )
    assert memory(fake).free_pages(1) == 600


def test_page_cache_that_can_be_dropped_is_clean_and_was_not_used_lately(fake: FakeSys) -> None:
    fake.counters(0, nr_inactive_file=900, nr_active_file=7000, nr_dirty=200, nr_writeback=30)
    assert memory(fake).page_cache(0) == PageCache(idle=900 - 230, pages=7900)
    assert memory(fake).page_cache(1) == PageCache(idle=300, pages=400)
    assert [memory(fake).page_cache(node) for node in (10, 2)] == [PageCache(), PageCache()]


def test_page_cache_that_is_all_dirty_is_no_room(fake: FakeSys) -> None:
    fake.counters(0, nr_inactive_file=900, nr_active_file=7000, nr_dirty=901)
    assert memory(fake).page_cache(0).idle == 0
