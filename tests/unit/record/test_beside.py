from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmscand.clock import Clock, SystemClock
from mmscand.daemon import Daemon
from mmscand.model import PAGE_BYTES, REGION_BYTES
from mmscand.observe.events import Event, Moved, PassEnd, ProcessLeft
from mmscand.record.beside import RecordingWatcher
from mmscand.record.file import Recording, new_recording
from mmscand.record.tables import ProcessPass, unpack
from mmscand.scan.mode import Mode
from mmscand.settings import PolicyName
from mmscand.sim.clock import SimClock
from support.sim_daemon import HOT, Recorder, Tiers, steady, tiers, touching


def pages_of(seen: ProcessPass) -> list[int]:
    bits = unpack(seen.accessed["accessed"], np.ones(len(seen.accessed), dtype=np.uint32))
    rows, columns = np.nonzero(bits)
    first = (seen.accessed["address"][rows].astype(np.int64) - REGION_BYTES) // PAGE_BYTES
    return (first + columns).tolist()


def daemon_of(
    world: Tiers,
    path: Path,
    observer: Recorder,
    reported: list[str],
    max_bytes: int = 1 << 20,
    policy: PolicyName = "two-pass",
    clock: Clock | None = None,
    period_ms: int = 1,
) -> tuple[Daemon, RecordingWatcher]:
    writer = new_recording(path, world.machine.topology(), 1, max_bytes)
    watcher = RecordingWatcher(writer, clock or SystemClock(), reported.append)
    settings = replace(steady(period_ms), policy=policy)
    daemon = Daemon(
        world.machine, settings=settings, observer=observer, watcher=watcher, clock=clock
    )
    return daemon, watcher


def test_a_daemon_s_passes_and_moves_are_recorded_as_they_were(tmp_path: Path) -> None:
    world, reported = tiers(), list[str]()
    world.vma.pinned.flat[5] = True
    recorder = Recorder(touching(world, HOT))
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, reported)
    daemon.start()
    recorder.wait_for(Moved)
    recorder.wait_for(PassEnd, lambda event: event.number >= 8)
    recorder.wait_for(PassEnd)  # one that began after the move
    world.machine.exit(world.process)
    recorder.wait_for(ProcessLeft)
    daemon.stop()
    recording = Recording(tmp_path / "r")
    passes = list(recording.passes())
    assert [int(seen.about["pass"][0]) for seen in passes[:8]] == [*range(1, 9)]
    assert passes[-1].about["left"][0]
    assert not recording.cut
    assert pages_of(passes[0]) == []
    assert pages_of(passes[1]) == HOT
    assert [int(seen.about["aged_pages"][0]) for seen in passes[:2]] == [2048, len(HOT)]
    moves = np.concatenate([seen.moves for seen in passes])
    assert ((moves["address"] - REGION_BYTES) // PAGE_BYTES).tolist() == HOT
    assert moves["status"].tolist() == [0, -16, 0, 0, 0]  # 16 is EBUSY
    assert moves["tried"].all()
    assert set(moves["source"].tolist()) == {1}
    # Placements: after the moves all but the pinned page are on the fast node, and say nothing.
    last = {int(row["address"]): row for seen in passes for row in seen.layout}
    table = np.array([last[address] for address in sorted(last)])
    sizes = table["pages_per_slot"]
    there = unpack(table["present"], sizes)
    fast = np.flatnonzero(there & ~unpack(table["slow"], sizes))
    assert fast.tolist() == [page for page in HOT if page != 5]
    assert (unpack(table["stuck"], sizes).reshape(-1)[fast]).all()
    assert reported == []


def test_when_the_file_is_full_that_is_reported_once_and_the_daemon_goes_on(tmp_path: Path) -> None:
    world, reported = tiers(), list[str]()
    recorder = Recorder(touching(world, HOT))
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, reported, max_bytes=3000)
    daemon.start()
    recorder.wait_for(Moved)
    recorder.wait_for(PassEnd, lambda event: event.number >= 20)
    daemon.stop()
    assert len(reported) == 1
    assert "nothing more is recorded" in reported[0]
    assert "is full" in reported[0]
    assert (tmp_path / "r").stat().st_size <= 3000
    assert len(list(Recording(tmp_path / "r").passes())) >= 1
    assert world.on_fast() == HOT


def test_execve_starts_the_layout_again(tmp_path: Path) -> None:
    world, reported = tiers(), list[str]()

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.number == 2 and not done:
            done.append(True)
            world.machine.exec(world.process)
            world.machine.map(world.process, REGION_BYTES, 512, 1)
        world.process.run()

    done: list[bool] = []
    recorder = Recorder(hook)
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, reported)
    daemon.start()
    for _ in ("before", "after"):
        recorder.wait_for(PassEnd, lambda event: event.number == 2)
    daemon.stop()
    passes = list(Recording(tmp_path / "r").passes())
    reported_rows = [(int(p.about["generation"][0]), len(p.layout)) for p in passes[:4]]
    assert reported_rows == [(1, 4), (1, 0), (2, 1), (2, 0)]


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_is_different_for_the_daemon_without_a_watcher(dry_run: bool) -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    mode = Mode.of(dry_run=dry_run, clear_bits=False)
    daemon = Daemon(world.machine, settings=steady(), observer=recorder, mode=mode)
    daemon.start()
    if not dry_run:
        recorder.wait_for_promoted(world.process.process, 1)
    recorder.wait_for(PassEnd, lambda event: event.number >= 5)
    daemon.stop()
    assert bool(world.on_fast()) is not dry_run


def test_a_round_of_the_stopwatch_is_a_pass_in_which_every_page_is_reported(tmp_path: Path) -> None:
    world, reported = tiers(), list[str]()
    world.vma.shared.flat[5] = True  # its bit says nothing, once that is found out
    recorder = Recorder(touching(world, HOT))
    clock = SimClock(threads=2)
    daemon, _ = daemon_of(
        world, tmp_path / "r", recorder, reported, policy="capacity", clock=clock, period_ms=50
    )
    daemon.start()
    recorder.wait_for_promoted(world.process.process, len(HOT) - 1)
    number = recorder.wait_for(PassEnd).number
    recorder.wait_for(PassEnd, lambda event: event.number >= number + 300)
    daemon.stop()
    passes = [seen for seen in Recording(tmp_path / "r").passes() if not seen.about["left"][0]]
    assert 3 <= len(passes) < 200
    # Rows in which nothing happens are there, and cold pages are never said to be accessed.
    assert all(seen.layout["present"].any(axis=1).all() for seen in passes)
    assert pages_of(passes[0]) == []
    assert pages_of(passes[1]) == HOT
    assert set().union(*(pages_of(seen) for seen in passes)) == set(HOT)
    layouts = np.concatenate([seen.layout for seen in passes])
    last = layouts[layouts["address"] == REGION_BYTES][-1:]
    stuck = unpack(last["stuck"], last["pages_per_slot"])
    assert np.flatnonzero(stuck).tolist() == [0, 5, 511]  # the others are on the fast tier
    assert reported == []
