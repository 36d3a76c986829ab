"""MB/s that hold over any second, against a clock that jumps."""

import threading

import pytest

from mmscand.migrate.rate_limit import RateLimit


class FakeClock:
    def __init__(self) -> None:
        self.time = 50.0

    def now(self) -> float:
        return self.time

    def thread_cpu(self) -> float:
        return 0.0

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        raise AssertionError


@pytest.mark.parametrize("mb_s", [1, 50, 1000])
@pytest.mark.parametrize("work_us_a_page", [0.0, 2.0])
def test_the_rate_holds_over_any_five_seconds_and_any_second(
    mb_s: int, work_us_a_page: float
) -> None:
    clock = FakeClock()
    rate = RateLimit(clock)
    rate.set_mb_s(mb_s)
    done: list[tuple[float, float]] = []
    while clock.time < 62:
        clock.time = max(clock.time, rate.ready_at)
        pages = rate.batch_pages(2048)
        clock.time += pages * work_us_a_page * 1e-6
        rate.pay(pages)
        done.append((clock.time, pages / 256))
    for start in (51.0, 52.5, 55.0):
        for seconds, slack in ((5.0, 1.05), (1.0, 1.26 if mb_s == 1 else 1.11)):
            moved = sum(mb for at, mb in done if start <= at < start + seconds)
            assert moved <= mb_s * seconds * slack
            if seconds == 5.0:
                assert moved >= 0.9 * mb_s * seconds


def test_no_limit_is_no_limit() -> None:
    rate = RateLimit(FakeClock())
    rate.set_mb_s(0)
    rate.pay(1 << 30)
    assert rate.batch_pages(2048) == 2048
    assert rate.ready_at == 0.0
