import itertools
from collections.abc import Iterator

from mmscand.scan.idle import IdleWatch


def visits(cpu_ns: Iterator[int], looks: int) -> list[int]:
    """Which of these looks led to a visit."""
    watch, made = IdleWatch(lambda: next(cpu_ns)), []
    for look in range(looks):
        if not watch.skip():
            made.append(look)
            watch.taken()
    return made


def test_a_process_that_runs_is_visited_each_time() -> None:
    assert visits(iter(range(0, 50, 5)), 10) == list(range(10))


def test_one_that_sleeps_is_visited_half_as_often_each_time_down_to_one_in_64() -> None:
    made = visits(iter([7] * 1000), 450)
    gaps = [after - before - 1 for before, after in itertools.pairwise(made)]
    assert made[0] == 0
    assert gaps == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64]


def test_when_it_runs_again_it_is_visited_at_once_and_then_as_at_first() -> None:
    cpu_ns = [7] * 20 + [8] * 6
    assert visits(iter(cpu_ns), 26) == [0, 2, 5, 10, 19, 20, 22, 25]


def test_it_tells_how_many_were_skipped() -> None:
    watch = IdleWatch(lambda: 7)
    assert [watch.taken() for _ in range(8) if not watch.skip()] == [0, 1, 2]
