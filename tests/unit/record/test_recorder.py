import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmscand.clock import SystemClock
from mmscand.errors import MmscandError, ProcessDenied, TooManyOpenFiles, UsageError
from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, REGION_BYTES, Process
from mmscand.record.file import Recording, RecordingWriter
from mmscand.record.recorder import Recorded, Recorder
from mmscand.record.tables import FORMAT, HEAD, NODES, VERSION, ProcessPass, Table, one_row, unpack
from mmscand.sim.machine import SimAddressSpace, SimMachine
from support.sim_daemon import Tiers, tiers

HOT = [0, 5, 511, 512, 1999]


def head() -> Table:
    return one_row(HEAD, format=FORMAT, version=VERSION, period_ms=1)


def nodes() -> Table:
    return one_row(NODES, node=1, slow=True, pages=16384)


@dataclass
class Taped:
    """A recording of a simulated machine."""

    recording: Recording
    recorded: Recorded
    passes: list[ProcessPass] = field(default_factory=list)


def tape(
    machine: SimMachine,
    path: Path,
    script: list[Callable[[], None]],
    *,
    max_bytes: int = 1 << 20,
    names: bool = True,
) -> Taped:
    """One pass before each step of the script, and one after the last; a step is a callable."""
    steps, stop = list(script), threading.Event()

    def reported(recorded: Recorded) -> None:
        if not steps:
            stop.set()
        else:
            steps.pop(0)()

    with RecordingWriter(path, head(), nodes(), max_bytes) as writer:
        recorder = Recorder(
            machine,
            lambda processes: processes,
            writer,
            SystemClock(),
            stop,
            period_s=0.0,
            seconds=30.0,
            forever=True,
            names=names,
        )
        recorded = recorder.run(reported)
    recording = Recording(path)
    return Taped(recording, recorded, list(recording.passes()))


def accessed(seen: ProcessPass, start: int, slots: int, pages_per_slot: int = 1) -> list[int]:
    """Which slots from an address on a pass found accessed."""
    sizes = np.full(len(seen.accessed), pages_per_slot, dtype=np.uint32)
    bits = unpack(seen.accessed["accessed"], sizes)
    rows, columns = np.nonzero(bits)
    pages = (seen.accessed["address"][rows].astype(np.int64) - start) // PAGE_BYTES + columns
    return sorted(set((pages // pages_per_slot).tolist()))


def touch(world: Tiers, slots: list[int]) -> Callable[[], None]:
    def step() -> None:
        world.vma.accessed.reshape(-1)[slots] = True

    return step


def test_a_pass_reports_what_was_accessed_since_the_one_before(tmp_path: Path) -> None:
    world = tiers()
    taped = tape(
        world.machine, tmp_path / "r", [touch(world, HOT), lambda: None, touch(world, [7])]
    )
    found = [accessed(seen, REGION_BYTES, 2048) for seen in taped.passes]
    assert found == [[], HOT, [], [7]]
    assert taped.recorded.ended == "stopped"
    assert not taped.recording.cut


def test_layout_is_reported_once_and_again_where_it_changed(tmp_path: Path) -> None:
    world = tiers()

    def promote() -> None:
        world.machine.migrate(world.vma, 5, 0)

    def unmap() -> None:
        world.machine.unmap(
            world.process, world.vma.row_addresses[1] + PAGE_BYTES * np.arange(512, dtype=np.uint64)
        )

    taped = tape(world.machine, tmp_path / "r", [lambda: None, promote, unmap])
    rows = [seen.layout["address"].tolist() for seen in taped.passes]
    every = [REGION_BYTES + n * HUGE_PAGE_BYTES for n in range(4)]
    assert rows == [every, [], every[:1], every[1:2]]
    first, _, moved, gone = (seen.layout for seen in taped.passes)
    assert unpack(first["present"], first["pages_per_slot"]).all()
    assert unpack(first["slow"], first["pages_per_slot"]).all()
    assert np.flatnonzero(~unpack(moved["slow"], moved["pages_per_slot"])).tolist() == [5]
    assert not gone["present"].any()
    assert [len(seen.vmas) for seen in taped.passes] == [1, 0, 0, 0]


def test_a_row_that_is_gone_is_reported(tmp_path: Path) -> None:
    world = tiers()

    def unmap_all() -> None:
        world.process.vmas.clear()

    taped = tape(world.machine, tmp_path / "r", [unmap_all])
    assert len(taped.passes[1].layout) == 4
    assert not taped.passes[1].layout["present"].any()


def test_huge_pages_have_one_bit(tmp_path: Path) -> None:
    world = tiers(huge=True)
    taped = tape(world.machine, tmp_path / "r", [touch(world, [1, 3])])
    assert accessed(taped.passes[1], REGION_BYTES, 4, pages_per_slot=512) == [1, 3]
    assert taped.passes[0].layout["pages_per_slot"].tolist() == [512] * 4
    assert taped.passes[1].about["pages"][0] == 2048


def test_top_tier_pages_are_read_and_aged_too(tmp_path: Path) -> None:
    world = tiers()
    fast = world.machine.map(world.process, 4 << 30, 512, 0)

    def touch_fast() -> None:
        fast.accessed[0, 9] = True

    taped = tape(world.machine, tmp_path / "r", [touch_fast])
    assert accessed(taped.passes[1], 4 << 30, 512) == [9]
    assert not fast.accessed.any()


def test_pages_that_others_map_too_are_stuck_and_never_accessed(tmp_path: Path) -> None:
    world = tiers()
    world.vma.shared[:1] = True
    taped = tape(world.machine, tmp_path / "r", [touch(world, [1600])] * 2)
    assert [accessed(seen, REGION_BYTES, 2048) for seen in taped.passes] == [[], [1600], [1600]]
    stuck = taped.passes[1].layout["stuck"]
    assert unpack(stuck, np.ones(len(stuck), dtype=np.uint32)).sum() == 512


def test_a_process_that_exits_is_reported_once_and_the_others_go_on(tmp_path: Path) -> None:
    world = tiers()
    other = world.machine.spawn(200, "other")
    world.machine.map(other, 1 << 30, 512, 1)
    taped = tape(world.machine, tmp_path / "r", [lambda: world.machine.exit(other), lambda: None])
    left = [(int(p.about["pid"][0]), bool(p.about["left"][0])) for p in taped.passes]
    assert sorted(left) == [(100, False)] * 3 + [(200, False), (200, True)]
    assert taped.recorded.processes == 2


def test_exec_is_another_generation(tmp_path: Path) -> None:
    world = tiers()
    taped = tape(world.machine, tmp_path / "r", [lambda: world.machine.exec(world.process)])
    first, second = (int(seen.about["generation"][0]) for seen in taped.passes)
    assert first != second


def test_a_pass_over_cold_memory_costs_next_to_nothing(tmp_path: Path) -> None:
    world = tiers()
    taped = tape(world.machine, tmp_path / "r", [lambda: None] * 10)
    few = taped.recorded.size_bytes
    taped = tape(world.machine, tmp_path / "s", [lambda: None] * 20)
    assert (taped.recorded.size_bytes - few) / 10 < 600


def test_it_ends_before_the_file_is_larger_than_allowed(tmp_path: Path) -> None:
    world = tiers()
    path = tmp_path / "r"
    taped = tape(world.machine, path, [lambda: None] * 1000, max_bytes=8192)
    assert "is full at" in taped.recorded.ended
    assert path.stat().st_size <= 8192
    assert len(taped.passes) == taped.recorded.passes > 3


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        RecordingWriter(tmp_path / "r", head(), nodes(), 1 << 20)
    assert (tmp_path / "r").read_text() == "mine"


def test_a_full_disk_is_one_line() -> None:
    with pytest.raises((MmscandError, UsageError)):
        RecordingWriter(Path("/proc/nothing"), head(), nodes(), 1 << 20)


class Denying(SimMachine):
    def open(self, process: Process) -> SimAddressSpace:
        raise ProcessDenied(process.pid, "read", "CAP_SYS_PTRACE")


def test_a_process_that_is_denied_ends_it_only_when_it_was_asked_for(tmp_path: Path) -> None:
    world = tiers()
    machine = Denying(world.machine.topology())
    machine.__dict__.update(world.machine.__dict__)
    taped = tape(machine, tmp_path / "r", [])
    assert (taped.passes, taped.recorded.denied) == ([], 1)
    with (
        RecordingWriter(tmp_path / "s", head(), nodes(), 1 << 20) as writer,
        pytest.raises(ProcessDenied),
    ):
        Recorder(
            machine,
            lambda processes: processes,
            writer,
            SystemClock(),
            threading.Event(),
            period_s=0.0,
            seconds=1.0,
            forever=False,
        ).run()


@pytest.mark.parametrize("call", ["vmas", "shared"])
def test_a_pass_that_lacks_descriptors_is_made_up_for_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    world = tiers()
    working, failing = getattr(SimAddressSpace, call), [True, True]

    def refuse(*args: Any) -> Any:  # noqa: ANN401
        if failing:
            failing.pop()
            raise TooManyOpenFiles
        return working(*args)

    monkeypatch.setattr(SimAddressSpace, call, refuse)
    taped = tape(world.machine, tmp_path / "r", [touch(world, HOT)] * 9)
    assert not failing
    assert taped.recorded.denied == 0
    assert [accessed(seen, REGION_BYTES, 2048) for seen in taped.passes][-2:] == [HOT] * 2


def test_it_ends_with_the_last_process_that_was_asked_for(tmp_path: Path) -> None:
    world = tiers()
    with RecordingWriter(tmp_path / "r", head(), nodes(), 1 << 20) as writer:
        recorder = Recorder(
            world.machine,
            lambda processes: processes,
            writer,
            SystemClock(),
            threading.Event(),
            period_s=0.0,
            seconds=30.0,
            forever=False,
        )
        recorded = recorder.run(lambda _: world.machine.exit(world.process))
    assert recorded.ended == "no process is left"


def test_the_example_of_the_documentation_reads_a_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tiers()
    path = tmp_path / "app.mms"
    tape(world.machine, path, [touch(world, HOT)] * 2)
    path.write_bytes(path.read_bytes()[:-20])  # it was killed in the third pass
    text = (Path(__file__).parents[3] / "docs/reference/recording.md").read_text()
    monkeypatch.chdir(tmp_path)
    exec(text.split("```python\n")[1].split("```")[0], {})
    reported = capsys.readouterr().out.splitlines()
    assert reported == ["1 app 4 0", f"2 app 0 {len(HOT)}"]


def test_a_name_keeps_its_bytes_and_the_example_reads_one_that_ends_inside_a_letter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel cuts names after 15 bytes."""
    comm = "überwachungsköche".encode()[:15][:-1] + b"\xc3"
    world = tiers()
    object.__setattr__(world.process.process, "name", comm.decode(errors="surrogateescape"))
    taped = tape(world.machine, tmp_path / "app.mms", [touch(world, HOT)])
    assert {bytes(seen.about["name"][0]) for seen in taped.passes} == {comm}
    text = (Path(__file__).parents[3] / "docs/reference/recording.md").read_text()
    monkeypatch.chdir(tmp_path)
    exec(text.split("```python\n")[1].split("```")[0], {})
    assert "\ufffd" in capsys.readouterr().out
