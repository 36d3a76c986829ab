from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmscand.clock import SystemClock
from mmscand.daemon import Daemon
from mmscand.model import PAGE_BYTES, REGION_BYTES, Process
from mmscand.observe.events import Event, Moved, PassEnd, ProcessLeft
from mmscand.policy.by_capacity import CapacityChooser
from mmscand.policy.choosing import Knobs
from mmscand.policy.ranking import Ranking
from mmscand.record.beside import RecordingWatcher
from mmscand.record.file import Recording, new_recording
from mmscand.record.tables import ProcessPass, unpack
from mmscand.scan import scanner
from mmscand.settings import PolicyName
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
    told: list[str],
    max_bytes: int = 1 << 20,
    policy: PolicyName = "two-pass",
) -> tuple[Daemon, RecordingWatcher]:
    writer = new_recording(path, world.machine.topology(), 1, max_bytes)
    watcher = RecordingWatcher(writer, SystemClock(), told.append)
    settings = replace(steady(), policy=policy)
    return Daemon(world.machine, settings=settings, observer=observer, watcher=watcher), watcher


def test_a_daemon_s_passes_and_moves_are_recorded_as_they_were(tmp_path: Path) -> None:
    world, told = tiers(), list[str]()
    world.vma.pinned.flat[5] = True
    recorder = Recorder(touching(world, HOT))
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, told)
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
    assert told == []


def test_when_the_file_is_full_that_is_told_once_and_the_daemon_goes_on(tmp_path: Path) -> None:
    world, told = tiers(), list[str]()
    recorder = Recorder(touching(world, HOT))
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, told, max_bytes=3000)
    daemon.start()
    recorder.wait_for(Moved)
    recorder.wait_for(PassEnd, lambda event: event.number >= 20)
    daemon.stop()
    assert len(told) == 1
    assert "nothing more is recorded" in told[0]
    assert "is full" in told[0]
    assert (tmp_path / "r").stat().st_size <= 3000
    assert len(list(Recording(tmp_path / "r").passes())) >= 1
    assert world.on_fast() == HOT


def test_execve_starts_the_layout_anew(tmp_path: Path) -> None:
    world, told = tiers(), list[str]()

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.number == 2 and not done:
            done.append(True)
            world.machine.exec(world.process)
            world.machine.map(world.process, REGION_BYTES, 512, 1)
        world.process.run()

    done: list[bool] = []
    recorder = Recorder(hook)
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, told)
    daemon.start()
    for _ in ("before", "after"):
        recorder.wait_for(PassEnd, lambda event: event.number == 2)
    daemon.stop()
    passes = list(Recording(tmp_path / "r").passes())
    told_rows = [(int(p.about["generation"][0]), len(p.layout)) for p in passes[:4]]
    assert told_rows == [(1, 4), (1, 0), (2, 1), (2, 0)]


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_is_different_for_the_daemon_without_a_watcher(dry_run: bool) -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    daemon = Daemon(world.machine, settings=steady(), observer=recorder, dry_run=dry_run)
    daemon.start()
    if not dry_run:
        recorder.wait_for_promoted(world.process.process, 1)
    recorder.wait_for(PassEnd, lambda event: event.number >= 5)
    daemon.stop()
    assert bool(world.on_fast()) is not dry_run


def test_rows_in_which_nothing_happens_are_recorded_as_there(tmp_path: Path) -> None:
    world, told = tiers(), list[str]()
    recorder = Recorder(touching(world, HOT))
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, told, policy="capacity")
    daemon.start()
    recorder.wait_for(PassEnd, lambda event: event.number >= 40)
    daemon.stop()
    passes = list(Recording(tmp_path / "r").passes())
    layouts = np.concatenate([seen.layout for seen in passes if not seen.about["left"][0]])
    assert len(passes) >= 40
    assert layouts["present"].any(axis=1).all()


@pytest.mark.parametrize("recorded", [True, False])
def test_nothing_is_spared_where_a_recording_is_to_have_it(
    recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spared: list[bool] = []

    class Chooser(CapacityChooser):
        def __init__(
            self, process: Process, ranking: Ranking, knobs: Knobs, *, may_spare: bool = True
        ) -> None:
            spared.append(may_spare)
            super().__init__(process, ranking, knobs, may_spare=may_spare)

    monkeypatch.setattr(scanner, "CapacityChooser", Chooser)
    world, recorder = tiers(), Recorder()
    daemon, _ = daemon_of(world, tmp_path / "r", recorder, [], policy="capacity")
    if not recorded:
        settings = replace(steady(), policy="capacity")
        daemon = Daemon(world.machine, settings=settings, observer=recorder)
    daemon.start()
    recorder.wait_for(PassEnd)
    daemon.stop()
    assert set(spared) == {not recorded}
