"""The migration list: each page once, bounded, processes in turn."""

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.clock import SystemClock
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import Migration, Process, UIntArray

ONE, TWO, THREE = (Process(pid, 1) for pid in (1, 2, 3))
CLOCK = SystemClock()


class NeverWait(SystemClock):
    """For tests in which a take has to return at once."""

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        raise AssertionError("the list is empty and take would block")


NOW = NeverWait()
OPERATIONS = ["offer", "offer", "take", "done", "drop", "late", "cool"]


def migration(
    process: Process, *numbers: int, pages_per_slot: int = 1, source: int = 1
) -> Migration:
    """The slots of these numbers, ascending."""
    step = 4096 * pages_per_slot
    addresses = np.array([number * step for number in sorted(numbers)], dtype=np.uint64)
    return Migration(process, addresses, pages_per_slot, source)


def offer(queue: MigrationList, process: Process, *numbers: int) -> list[int]:
    """Numbers of the slots that are on the list now."""
    return [int(a) // 4096 for a in queue.offer(migration(process, *numbers))]


def numbers_of(taken: Migration | None) -> list[int]:
    assert taken is not None
    return [int(address) // (4096 * taken.pages_per_slot) for address in taken.addresses]


def take(queue: MigrationList, pages: int = 1000) -> tuple[Process, list[int]]:
    taken = queue.take(pages, NOW)
    assert taken is not None
    return taken.process, numbers_of(taken)


def is_empty(queue: MigrationList) -> bool:
    with pytest.raises(AssertionError, match="would block"):
        queue.take(1000, NOW)
    return True


def test_what_is_offered_is_taken_as_it_was_offered() -> None:
    queue = MigrationList(100)
    queue.offer(migration(ONE, 3, 4, pages_per_slot=512, source=7))
    taken = queue.take(1000, NOW)
    assert taken is not None
    assert (taken.process, taken.pages_per_slot, taken.source) == (ONE, 512, 7)
    assert numbers_of(taken) == [3]  # 1000 pages hold one huge page of 512
    assert is_empty_after(queue, [4])


def is_empty_after(queue: MigrationList, numbers: list[int]) -> bool:
    assert numbers_of(queue.take(1000, NOW)) == numbers
    return is_empty(queue)


def test_a_page_is_on_the_list_once_however_often_it_is_offered() -> None:
    queue = MigrationList(100)
    assert offer(queue, ONE, 1, 2) == [1, 2]
    assert offer(queue, ONE, 2, 3) == [2, 3]
    assert offer(queue, ONE, 1, 2, 3) == [1, 2, 3]
    assert len(queue) == 3
    assert [take(queue), take(queue)] == [(ONE, [1, 2]), (ONE, [3])]
    assert is_empty(queue)


def test_the_same_address_of_two_processes_is_two_pages() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1)
    offer(queue, TWO, 1)
    assert len(queue) == 2
    assert [take(queue), take(queue)] == [(ONE, [1]), (TWO, [1])]


def test_what_is_beyond_the_bound_is_refused_and_said_to_be() -> None:
    queue = MigrationList(3)
    assert offer(queue, ONE, 1, 2) == [1, 2]
    assert offer(queue, TWO, 5, 6, 7) == [5]
    assert offer(queue, ONE, 2, 3) == [2]  # 2 is there, 3 does not fit
    assert len(queue) == 3
    assert [take(queue), take(queue)] == [(ONE, [1, 2]), (TWO, [5])]


def test_the_bound_also_counts_what_was_taken_until_it_is_done() -> None:
    queue = MigrationList(2)
    offer(queue, ONE, 1, 2)
    taken = queue.take(1000, NOW)
    assert taken is not None
    assert offer(queue, TWO, 1) == []
    queue.done(taken)
    assert len(queue) == 0
    assert offer(queue, TWO, 1) == [1]


def test_processes_are_served_in_turn_a_batch_each() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, *range(5))
    offer(queue, TWO, *range(10, 12))
    offer(queue, THREE, 20)
    assert [take(queue, 2) for _ in range(5)] == [
        (ONE, [0, 1]),
        (TWO, [10, 11]),
        (THREE, [20]),
        (ONE, [2, 3]),
        (ONE, [4]),
    ]
    assert is_empty(queue)


def test_a_process_that_offers_again_keeps_its_one_turn() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1)
    offer(queue, TWO, 1)
    offer(queue, ONE, 2)
    assert [take(queue) for _ in range(3)] == [(ONE, [1]), (TWO, [1]), (ONE, [2])]


@pytest.mark.parametrize(
    ("pages", "slots"), [(1, 1), (511, 1), (512, 1), (1023, 1), (1024, 2), (5000, 5)]
)
def test_a_batch_of_huge_pages_holds_whole_ones_and_at_least_one(pages: int, slots: int) -> None:
    queue = MigrationList(100)
    queue.offer(migration(ONE, *range(5), pages_per_slot=512))
    taken = queue.take(pages, NOW)
    assert numbers_of(taken) == list(range(min(slots, 5)))


def test_what_was_taken_is_not_queued_again_before_it_is_done() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1, 2)
    taken = queue.take(1, NOW)
    assert offer(queue, ONE, 1, 2) == [1, 2]  # on the list: one in flight, one waiting
    assert len(queue) == 2
    assert take(queue) == (ONE, [2])
    assert is_empty(queue)
    assert taken is not None
    queue.done(taken)
    assert offer(queue, ONE, 1) == [1]
    assert take(queue) == (ONE, [1])


def test_dropping_a_process_takes_its_pages_and_nothing_else() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1, 2)
    offer(queue, TWO, 1)
    offer(queue, THREE, 7)
    queue.drop(TWO)
    assert len(queue) == 3
    queue.drop(TWO)
    queue.drop(Process(99, 9))
    assert [take(queue), take(queue)] == [(ONE, [1, 2]), (THREE, [7])]
    assert is_empty(queue)


def test_another_process_with_the_same_pid_is_not_dropped() -> None:
    queue = MigrationList(100)
    offer(queue, Process(1, 1), 1)
    offer(queue, Process(1, 2), 1)
    queue.drop(Process(1, 1))
    assert len(queue) == 1
    assert take(queue) == (Process(1, 2), [1])


def test_dropping_also_frees_the_room_of_what_is_in_flight() -> None:
    queue = MigrationList(2)
    offer(queue, ONE, 1, 2)
    taken = queue.take(1, NOW)
    assert taken is not None
    queue.drop(ONE)
    assert len(queue) == 0
    queue.done(taken)  # comes back late
    assert len(queue) == 0
    assert offer(queue, TWO, 8, 9) == [8, 9]


def test_pages_offered_after_a_drop_outlive_the_batch_that_was_in_flight_then() -> None:
    """Exec: the slot drops its process and starts again, while the migrator holds a batch of it."""
    queue = MigrationList(100)
    offer(queue, ONE, 1)
    taken = queue.take(1, NOW)
    assert taken is not None
    queue.drop(ONE)
    assert offer(queue, ONE, 1) == [1]
    queue.done(taken)
    assert len(queue) == 1
    assert take(queue) == (ONE, [1])


def test_a_late_done_does_not_let_a_page_be_queued_twice() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1)
    taken = queue.take(1, NOW)
    assert taken is not None
    queue.drop(ONE)
    offer(queue, ONE, 1, 2)
    queue.done(taken)
    offer(queue, ONE, 1, 2)
    assert len(queue) == 2
    assert take(queue) == (ONE, [1, 2])
    assert is_empty(queue)


def test_a_closed_list_takes_nothing_and_gives_nothing() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1)
    queue.close()
    queue.close()
    assert queue.take(1000, NOW) is None
    assert offer(queue, ONE, 1, 2) == [1]  # 2 is not on the list
    assert len(queue) == 1


def in_thread(body: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread


class Announcing(SystemClock):
    """Says when a taker is about to sleep, the list's lock still held."""

    def __init__(self, sleepers: int) -> None:
        self.asleep = threading.Semaphore(0)
        self._sleepers = sleepers

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        self.asleep.release()
        super().wait(wakeup, timeout_s)

    def until_all_sleep(self) -> None:
        for _ in range(self._sleepers):
            assert self.asleep.acquire(timeout=60)


def test_closing_wakes_every_taker() -> None:
    queue, clock = MigrationList(100), Announcing(3)
    results: list[Migration | None] = []
    takers = [in_thread(lambda: results.append(queue.take(10, clock))) for _ in range(3)]
    clock.until_all_sleep()
    queue.close()
    for taker in takers:
        taker.join(timeout=60)
    assert results == [None, None, None]


def test_an_offer_wakes_a_taker() -> None:
    queue, clock = MigrationList(100), Announcing(1)
    results: list[Migration | None] = []
    taker = in_thread(lambda: results.append(queue.take(10, clock)))
    clock.until_all_sleep()
    offer(queue, ONE, 4)
    taker.join(timeout=60)
    assert [numbers_of(result) for result in results] == [[4]]


class Model:
    """The list as a plain list of (process, page, in flight)."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.queued: dict[Process, list[int]] = {}
        self.flying: dict[Process, set[int]] = {}

    @property
    def size(self) -> int:
        return sum(map(len, self.queued.values())) + sum(map(len, self.flying.values()))

    def offer(self, process: Process, numbers: list[int]) -> list[int]:
        queued = self.queued.setdefault(process, [])
        on_list = []
        for number in numbers:
            there = number in queued or number in self.flying.get(process, set())
            on_list += [number] if there else []
        new = [n for n in numbers if n not in on_list][: max(0, self.limit - self.size)]
        queued.extend(new)
        return sorted(on_list + new)


def test_the_hottest_go_first_and_of_the_same_heat_the_oldest() -> None:
    queue = MigrationList(100)
    for heat, number in ((2, 1), (6, 2), (2, 3), (4, 4), (6, 5)):
        queue.offer(replace(migration(ONE, number), heat=heat))
    assert [take(queue)[1] for _ in range(5)] == [[2], [5], [4], [1], [3]]


def test_what_is_withdrawn_is_taken_by_nobody_and_may_be_offered_again() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1, 2, 3)
    offer(queue, ONE, 4)
    offer(queue, TWO, 1)
    assert queue.withdraw(ONE, addresses(1, 3, 9)) == 2
    assert len(queue) == 3
    assert offer(queue, ONE, 3) == [3]
    assert [take(queue) for _ in range(4)] == [(ONE, [2]), (TWO, [1]), (ONE, [4]), (ONE, [3])]
    assert queue.withdraw(ONE, addresses(2)) == 0  # handed out
    assert queue.withdraw(THREE, addresses(1)) == 0


def test_a_process_of_which_everything_is_withdrawn_has_no_turn() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1)
    assert queue.withdraw(ONE, addresses(1)) == 1
    assert len(queue) == 0
    assert is_empty(queue)


def test_what_is_on_the_list_can_be_asked_for_by_range() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1, 2, 5, 9)
    queue.take(1, NOW)
    assert [int(a) // 4096 for a in queue.on_list(ONE, 4096, 9 * 4096)] == [1, 2, 5]
    assert queue.on_list(TWO, 0, 1 << 47).tolist() == []


def addresses(*numbers: int) -> UIntArray:
    return np.array(numbers, dtype=np.uint64) * np.uint64(4096)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 12))
def test_a_page_is_never_lost_nor_doubled(data: st.DataObject, limit: int) -> None:
    queue, model = MigrationList(limit), Model(limit)
    flying: list[Migration] = []
    dropped: list[Migration] = []
    for _ in range(data.draw(st.integers(1, 25))):
        process = data.draw(st.sampled_from([ONE, TWO]))
        match data.draw(
            st.sampled_from(["offer", "offer", "take", "done", "drop", "late", "cool"])
        ):
            case "offer":
                numbers = sorted(data.draw(st.sets(st.integers(0, 9), min_size=1)))
                assert offer(queue, process, *numbers) == model.offer(process, numbers)
            case "take" if any(model.queued.values()):
                taken = queue.take(data.draw(st.integers(1, 4)), NOW)
                assert taken is not None
                numbers = numbers_of(taken)
                waiting = model.queued[taken.process]
                assert waiting[: len(numbers)] == numbers
                del waiting[: len(numbers)]
                model.flying.setdefault(taken.process, set()).update(numbers)
                flying.append(taken)
            case "done" if flying:
                batch = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
                queue.done(batch)
                model.flying[batch.process] -= set(numbers_of(batch))
            case "drop":
                queue.drop(process)
                model.queued.pop(process, None)
                model.flying.pop(process, None)
                dropped += [batch for batch in flying if batch.process == process]
                flying = [batch for batch in flying if batch.process != process]
            case "cool":
                numbers = sorted(data.draw(st.sets(st.integers(0, 9), min_size=1)))
                queued = model.queued.get(process, [])
                model.queued[process] = [n for n in queued if n not in numbers]
                gone = len(queued) - len(model.queued[process])
                assert queue.withdraw(process, addresses(*numbers)) == gone
            case "late" if dropped:
                queue.done(dropped.pop())
        assert len(queue) == model.size <= limit


def test_demotions_go_first_before_any_turn() -> None:
    queue = MigrationList(100)
    offer(queue, ONE, 1, 2)
    queue.offer(replace(migration(TWO, 7), heat=6))
    queue.offer(replace(migration(TWO, 8, 9), demotes=True))
    queue.offer(replace(migration(THREE, 5), demotes=True))
    taken = [queue.take(1000, NOW) for _ in range(4)]
    assert [(t.process, t.demotes) for t in taken if t] == [
        (TWO, True),
        (THREE, True),
        (ONE, False),
        (TWO, False),
    ]


def test_pages_on_the_list_are_reported_by_their_way() -> None:
    queue = MigrationList(1000)
    queue.offer(migration(ONE, 1, 2, pages_per_slot=512))
    queue.offer(replace(migration(ONE, 700_000), demotes=True))
    queue.offer(replace(migration(TWO, 1, 2, 3), demotes=True))
    assert queue.pages() == (1024, 4)
    assert queue.pages(ONE) == (1024, 1)
    taken = queue.take(1000, NOW)
    assert taken is not None
    assert taken.demotes
    assert queue.pages() == (1024, 4)
    assert queue.pages(handed_out=False) == (1024, 4 - len(taken.addresses))
    queue.done(taken)
    assert queue.pages()[1] == 4 - len(taken.addresses)
    assert queue.pages(THREE) == (0, 0)


def test_of_demotions_the_coldest_goes_first() -> None:
    migrations, process = MigrationList(1000), Process(1, 1)
    for number, heat in enumerate((3, 0, 6)):
        address = np.array([(number + 1) << 20], dtype=np.uint64)
        migrations.offer(Migration(process, address, 1, 0, heat=heat, demotes=True))
    taken = [migrations.take(10, SystemClock()) for _ in range(3)]
    assert [each.heat for each in taken if each is not None] == [0, 3, 6]


def test_demotions_wait_for_promotions_where_a_node_has_enough_free_memory() -> None:
    queue = MigrationList(100)
    queue.offer(replace(migration(ONE, 1, 2, source=0), demotes=True))
    queue.offer(migration(ONE, 7))
    queue.offer(replace(migration(TWO, 8, source=5), demotes=True))
    queue.offer(migration(TWO, 9))
    free = {0}

    def taken() -> tuple[Process, list[int]]:
        found = queue.take(1, NOW, enough=lambda: frozenset(free))
        assert found is not None
        return found.process, numbers_of(found)

    assert [taken(), taken()] == [(TWO, [8]), (ONE, [7])]  # node 5 is short of memory
    free.clear()
    assert taken() == (ONE, [1])
    free.add(0)
    assert taken() == (TWO, [9])
    with pytest.raises(AssertionError, match="would block"):
        taken()
    free.clear()
    assert taken() == (ONE, [2])


def test_where_only_demotions_wait_it_is_looked_again_after_a_second() -> None:
    queue, waited = MigrationList(100), list[float | None]()

    class Closing(SystemClock):
        def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
            waited.append(timeout_s)
            queue.close()

    queue.offer(replace(migration(ONE, 1, source=0), demotes=True))
    assert queue.take(1, Closing(), enough=lambda: frozenset({0})) is None
    assert waited == [1.0]
