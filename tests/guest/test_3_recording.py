"""`mmscand run --record`: the file says what the daemon reported, and what the kernel did."""

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmscand.cli.app import main
from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, BoolArray, UIntArray
from mmscand.record.file import Recording
from mmscand.record.tables import ProcessPass, Table, unpack
from support.live_world import LiveActor, LiveWorld

PAGES = 4096
MOVED = [*range(0, 900, 3), 2999]
PINNED = [*range(3000, 3064)]
"""As hot, and nobody can move them."""
HOT = MOVED + PINNED
_PERIOD_MS = 400
_PASSES_AFTER = 6
"""Once the others are up."""


def recorded(actor: LiveActor, address: int, file: Path) -> list[dict[str, Any]]:
    """Run the daemon until all that can move is up and for some passes more; its events."""
    knobs = ["policy=two-pass", "cpu_budget_percent=100", "benefit_window_s=0"]
    knobs += [f"scan_period_{name}ms={_PERIOD_MS}" for name in ("min_", "", "max_")]
    options = ["--pid", str(actor.process.pid), "--no-control", "--json", "--record", str(file)]
    daemon = subprocess.Popen(
        [sys.executable, "-m", "mmscand", "run", *options]
        + [word for knob in knobs for word in ("--set", knob)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    try:
        events = list(until_promoted(daemon.stdout, actor, address))
        daemon.send_signal(signal.SIGTERM)
        rest, complaints = daemon.communicate()
    finally:
        daemon.kill()
        daemon.wait()
    assert (daemon.returncode, complaints) == (0, "")
    return events + [json.loads(line) for line in rest.splitlines()]


def until_promoted(
    lines: Iterator[str], actor: LiveActor, address: int
) -> Iterator[dict[str, Any]]:
    promoted, left = 0, _PASSES_AFTER
    for line in lines:
        event = json.loads(line)
        yield event
        promoted += event["promoted"] if event["event"] == "moved" else 0
        if event["event"] == "pass_end":
            actor.touch(address, HOT)
            left -= promoted >= len(MOVED)
            if not left:
                return


def mine(rows: Table, address: int) -> Table:
    """Those of the mapping."""
    inside = (rows["address"] >= address) & (rows["address"] < address + PAGES * PAGE_BYTES)
    return rows[inside]


def pages_of(rows: Table, what: str, address: int) -> list[int]:
    """Pages of the mapping with their bit set in this column of a table."""
    rows = mine(rows, address)
    at, columns = np.nonzero(unpack(rows[what], np.ones(len(rows), dtype=np.uint32)))
    first = (rows["address"][at].astype(np.int64) - address) // PAGE_BYTES
    return sorted((first + columns).tolist())


def placements(passes: list[ProcessPass], address: int) -> Table:
    """Of the mapping, as they were reported last."""
    last = {int(row["address"]): row for seen in passes for row in mine(seen.layout, address)}
    return np.array([last[place] for place in sorted(last)])


def on_node(actor: LiveActor, address: int, node: int) -> list[int]:
    pages: UIntArray = np.arange(PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    _, found = move_pages(actor.process.pid, pages + np.uint64(address), None)
    there: BoolArray = found == node
    return np.flatnonzero(there).tolist()


@pytest.fixture
def actor(world: LiveWorld) -> LiveActor:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    return actor


def test_a_recording_agrees_with_the_events_and_with_the_kernel_and_can_be_replayed(
    world: LiveWorld, actor: LiveActor, tmp_path: Path
) -> None:
    address, file = actor.map(PAGES), tmp_path / "run.mms"
    actor.pin(address, PINNED)
    events = recorded(actor, address, file)
    recording = Recording(file)
    *passes, left = recording.passes()
    assert not recording.cut
    assert left.about["left"][0]
    assert_same_passes(passes, events, actor, address)
    assert_same_moves(np.concatenate([seen.moves for seen in (*passes, left)]), events, address)
    # Placements as they were reported last, and as the kernel says them.
    table = placements(passes, address)
    slow = pages_of(table, "slow", address)
    assert pages_of(table, "present", address) == [*range(PAGES)]
    assert sorted({*range(PAGES)} - {*slow}) == on_node(actor, address, world.fast) == MOVED
    assert_replayed(file, passes, tmp_path / "replayed.json")


def assert_same_passes(
    passes: list[ProcessPass], events: list[dict[str, Any]], actor: LiveActor, address: int
) -> None:
    visits = [event for event in events if event["event"] == "pass_end"]
    # The signal to end may come within the last one: a part of a pass is not recorded.
    assert all(visit["complete"] for visit in visits[:-1])
    visits = [visit for visit in visits if visit["complete"]]
    assert len(visits) >= 2 + _PASSES_AFTER
    for name, reported in (("number", "pass"), ("examined", "pages"), ("aged", "aged_pages")):
        assert [int(seen.about[reported][0]) for seen in passes] == [v[name] for v in visits]
    assert {int(seen.about["pid"][0]) for seen in passes} == {actor.process.pid}
    accessed = [pages_of(seen.accessed, "accessed", address) for seen in passes]
    assert all({*pages} <= {*HOT} for pages in accessed)
    assert accessed.index(HOT) < accessed.index(PINNED)


def assert_same_moves(rows: Table, events: list[dict[str, Any]], address: int) -> None:
    moves = [event for event in events if event["event"] == "moved"]
    up = rows[rows["tried"] & (rows["status"] == rows["target"])]
    assert int(up["pages_per_slot"].sum()) == sum(event["promoted"] for event in moves)
    assert ((np.sort(mine(up, address)["address"]) - address) // PAGE_BYTES).tolist() == MOVED
    busy = rows[rows["status"] == -errno.EBUSY]
    assert len(busy) == sum(event["failed"].get("EBUSY", 0) for event in moves)
    pinned = np.unique(mine(busy, address)["address"])
    assert ((pinned - address) // PAGE_BYTES).tolist() == PINNED


def assert_replayed(file: Path, passes: list[ProcessPass], figures: Path) -> None:
    """A policy decides over it, and is reported of each access that the file has."""
    assert main(["replay", str(file), "--policy", "capacity", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    bits = sum(int(np.unpackbits(seen.accessed["accessed"]).sum()) for seen in passes)
    assert (found["policy"], found["passes"], found["cut"]) == ("capacity", len(passes), False)
    assert (found["accesses"], found["hit_share"]["best-static"]) == (bits, 1)
    assert found["pages"] >= PAGES
    assert found["decisions"] >= 1
    assert 0 < found["hit_share"]["nothing"] <= found["hit_share"]["capacity"] <= 1
