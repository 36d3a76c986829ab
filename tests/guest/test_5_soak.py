"""The real daemon under everything at once; script/soak says for how long."""

import os
import time
from pathlib import Path
from statistics import median

import pytest

from mmscand.errors import UsageError
from support.churn import run_churn
from support.guest_world import nodes_in_a_file
from support.live_world import LiveActor, LiveWorld
from support.puppet import Puppet
from support.soak import SoakDaemon, loads, quarter, turn_knobs

SECONDS = 60 * float(os.environ.get("MMSCAND_SOAK_MINUTES", "3"))
_FULL_S, _EMPTY_S = 10, 10
_KNOB_S = 2.0
_SPARE_PAGES = 1024
_MOST_GROWN_KIB = 2048
"""What samples of one run differ by from moment to moment; what leaks is more within an hour."""
RULES = """
[settings]
scan_period_ms = 500
cpu_budget_percent = 50

[[rule]]
name = "^bystander"
exclude = true
"""


class Load:
    """What goes on beside the daemon."""

    def __init__(self, world: LiveWorld, daemon: SoakDaemon) -> None:
        actor = world.actor()
        assert isinstance(actor, LiveActor)
        self.world, self.actor, self.daemon = world, actor, daemon
        self.was_visited = False
        """The largest process: what a visit to it takes is not taken before."""
        self.address = self.rounds = self.moved_bystanders = 0

    def work(self) -> None:
        """Hot memory that is mapped again now and then, so that there is always some to promote."""
        if self.rounds % 200 == 0:
            self.actor.exec()
            self.address = self.actor.map(4096)
        self.actor.touch(self.address, list(range(0, 4096, 2)))
        self.rounds += 1
        time.sleep(0.1)

    def churn(self) -> None:
        self.moved_bystanders += run_churn(60, 6, self.world.slow)["moved"]

    def fill_and_empty(self) -> None:
        with Puppet() as filler:
            free = self.world.machine.free_pages(self.world.fast)
            if free > _SPARE_PAGES + 512:
                pages = (free - _SPARE_PAGES) // 512 * 512
                address = filler.map(pages, node=self.world.fast)
                filler.use(address, range(0, pages, 64), 0.1)  # one that sleeps is not visited
            time.sleep(_FULL_S)
            latest = time.monotonic() + SECONDS / 4
            while not self.was_visited and time.monotonic() < latest:
                self.was_visited = self.passes(filler.pid) > 0
                time.sleep(1)  # each question takes the daemon's lock of the interpreter
        time.sleep(_EMPTY_S)

    def passes(self, pid: int) -> int:
        """Of the daemon over a process."""
        try:
            return int(self.daemon.client.process(pid)["passes"])
        except UsageError:
            return 0


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 600)
def test_soak(world: LiveWorld, tmp_path: Path) -> None:
    resident, descriptors = list[int](), list[int]()
    with SoakDaemon(tmp_path, nodes_in_a_file() + RULES) as daemon:
        load, knobs = Load(world, daemon), turn_knobs(daemon)

        def turn() -> None:
            next(knobs)
            time.sleep(_KNOB_S)

        with loads(load.work, load.churn, load.fill_and_empty, turn) as check:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                daemon.check()
                check()
                if load.was_visited and end - time.monotonic() < SECONDS * 3 / 4:  # warm
                    resident.append(daemon.resident_kib())
                    descriptors.append(daemon.descriptors())
                time.sleep(1)
        load.actor.exit()
        settled(daemon)
        counters = daemon.client.status()["counters"]
        ended = daemon.end()
    assert load.was_visited
    assert len(resident) > SECONDS / 8, "too few samples"
    print(f"resident {resident[0]} .. {resident[-1]} KiB, most {max(resident)}")
    print(f"descriptors {min(descriptors)} .. {max(descriptors)}")
    print(dict(daemon.events), counters)

    assert ended == (0, "")
    assert load.moved_bystanders == 0
    # Medians: the most of a quarter is that of one visit, and differed by 2052 KiB in an hour in
    # which the end was below the begin.
    assert median(quarter(resident, 3)) - median(quarter(resident, 0)) <= _MOST_GROWN_KIB
    assert max(quarter(descriptors, 3)) <= max(quarter(descriptors, 0)) + 20  # who lives just now
    assert_consistent(daemon, counters)


def settled(daemon: SoakDaemon) -> None:
    """Wait until what is queued is moved, then stop scanning."""
    daemon.client.reset()
    daemon.client.disable()
    time.sleep(1)  # the visit in flight
    while daemon.client.status()["queued_slots"]:
        time.sleep(0.2)


def assert_consistent(daemon: SoakDaemon, counters: dict[str, int]) -> None:
    """Counters are the sums of the events, and what is a part is not more than the whole."""
    summed = set(daemon.reported) & set(counters)
    assert summed >= {"examined", "slow", "accessed", "queued", "promoted", "skipped"}
    assert {name: daemon.reported[name] for name in summed} == {
        name: counters[name] for name in summed
    }
    assert counters["visits"] == daemon.events["pass_end"] >= counters["passes"] > 0
    assert counters["idle"] + counters["accessed"] == counters["slow"] <= counters["examined"]
    assert counters["hot"] <= counters["accessed"]
    # What is queued is promoted or is demoted.
    found = counters["hot"] + counters["cold"]
    assert counters["queued"] + counters["shared"] + counters["held"] <= found
    failed = sum(pages for name, pages in counters.items() if name.startswith("failed_"))
    assert failed + counters["promoted"] <= counters["queued"]
    assert counters["promoted"] > 0
    assert daemon.events["process_entered"] > 0
    assert daemon.watched == []  # each has left, once
