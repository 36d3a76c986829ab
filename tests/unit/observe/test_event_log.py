"""The latest events."""

from mmscand.model import Process
from mmscand.observe.event_log import EventLog
from mmscand.observe.events import Moved, PassStart, TopologyChanged

APP = Process(1, 10, "app")


def test_events_have_numbers_times_and_words() -> None:
    log = EventLog(lambda: 1000.0)
    log(Moved(APP, 0, 0.1, 512, 0, {}))
    log(PassStart(APP, 1, 0))  # of every pass: no news
    log(TopologyChanged((0,), (1, 2)))
    first, second = log.since(0)
    assert (first.number, first.time, first.event) == (1, 1000.0, "moved")
    assert first.words == "app[1]: promoted 512 pages (2.0 MiB) to node 0"
    assert second.event == "topology_changed"
    assert log.since(1) == (second,)
    assert log.since(2) == ()


def test_the_latest_are_kept() -> None:
    log = EventLog()
    for _ in range(1200):
        log(TopologyChanged((0,), (1,)))
    kept = log.since(0)
    assert (len(kept), kept[0].number, kept[-1].number) == (500, 701, 1200)
