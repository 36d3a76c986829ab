from mmscand.model import Process
from mmscand.observe.counters import Counters
from mmscand.observe.events import Moved, PassEnd, ProcessEntered, ProcessLeft

ONE, OTHER = Process(1, 10, "one"), Process(2, 20, "other")


def pass_end(process: Process, *, complete: bool = True) -> PassEnd:
    return PassEnd(
        process,
        1,
        complete,
        0.1,
        examined=512,
        slow=100,
        accessed=30,
        fast=50,
        fast_accessed=45,
        aged=40,
        unaged=6,
        hot=20,
        cold=5,
        queued=15,
        waiting=2,
        cooled=1,
        shared=3,
        held=2,
        bound=4,
        discarded=1,
        skipped=4,
        again=7,
        returned=2,
        split=1024,
        collapsed=512,
        unresized=1536,
    )


def test_pages_are_summed_in_all_and_by_process_and_failures_by_reason() -> None:
    counters = Counters()
    counters(ProcessEntered(ONE))
    counters(ProcessEntered(OTHER))
    counters(pass_end(ONE))
    counters(pass_end(ONE, complete=False))
    counters(pass_end(OTHER))
    counters(Moved(ONE, 0, 0.1, 512, 9, {"EBUSY": 3}))
    counters(Moved(ONE, None, 0.1, 0, 0, {"ENOMEM": 7, "EBUSY": 1}))
    one, total = counters.of(ONE), counters.total()
    assert (one["visits"], one["passes"], one["idle"], one["hot"]) == (2, 1, 140, 40)
    assert (one["promoted"], one["failed_EBUSY"], one["failed_ENOMEM"]) == (512, 4, 7)
    assert one["already_there"] == 9
    assert one["visit_us"] == 200_000
    assert (total["visits"], total["skipped"]) == (3, 12)
    assert "promoted" not in counters.of(OTHER)


def test_a_process_that_has_left_stays_in_the_total_and_nowhere_else() -> None:
    counters = Counters()
    counters(ProcessEntered(ONE))
    counters(pass_end(ONE))
    counters(ProcessLeft(ONE, 1, "exited"))
    counters(Moved(ONE, 0, 0.1, 5, 0, {}))  # the batch that was under way
    assert counters.of(ONE) == {}
    assert counters.total()["promoted"] == 5
    assert counters.total()["slow"] == 100


def test_it_knows_when_it_began_and_when_the_last_visit_ended() -> None:
    times = iter([1000.0, 1007.5])
    counters = Counters(lambda: next(times))
    assert (counters.since, counters.last_pass) == (1000.0, None)
    counters(ProcessEntered(ONE))
    counters(pass_end(ONE))
    counters(Moved(ONE, 0, 0.1, 5, 0, {}))
    assert counters.last_pass == 1007.5
