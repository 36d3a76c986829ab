"""What was added in the last minute."""

from mmscand.model import Process
from mmscand.observe.counters import Counters
from mmscand.observe.events import Event, Moved
from mmscand.observe.recent import Recent

APP = Process(1, 10, "app")


class Watch:
    """Sums and samples, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.counters = Counters()
        self.recent = Recent(
            lambda: self.now, self.counters.total, on=True, unix_time=lambda: self.now
        )

    def __call__(self, at: float, event: Event) -> None:
        self.now = at
        self.recent(event)
        self.counters(event)


def moved(pages: int) -> Moved:
    return Moved(APP, 0, 0.1, pages, 0, {})


def test_a_minute_has_what_happened_in_it_and_no_more() -> None:
    watch = Watch()
    watch(110, moved(5))
    assert watch.recent.minute()["promoted"] == 5
    watch(165, moved(7))
    assert watch.recent.minute()["promoted"] == 12
    watch.now = 175  # 110 is more than a minute ago
    assert watch.recent.minute()["promoted"] == 7
    watch.now = 300
    assert watch.recent.minute() == {
        "promoted": 0,
        "already_there": 0,
        "demoted": 0,
        "promoted_huge": 0,
        "demoted_huge": 0,
    }


def test_many_events_keep_few_samples() -> None:
    watch = Watch()
    for step in range(10_000):
        watch(100 + step / 10, moved(1))
    # Samples are five seconds apart: a rate is right within one of them.
    assert 550 <= watch.recent.minute()["promoted"] <= 650


def test_a_switch_is_remembered() -> None:
    watch = Watch()
    watch.now = 130
    watch.recent.switched(on=True)
    assert watch.recent.switched_at == 100
    watch.recent.switched(on=False)
    assert watch.recent.switched_at == 130
