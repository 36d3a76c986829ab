"""Names of mappings and cgroups in recordings, and recordings from before there were any."""

from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import ProcessGone, UsageError
from mmscand.model import HUGE_PAGE_BYTES, REGION_BYTES, MappingNames, Process, VmaTable
from mmscand.record.file import Recording, RecordingWriter
from mmscand.record.labels import NO_LABELS, Labels, Texts, labels_of, texts_in
from mmscand.record.tables import ProcessPass
from mmscand.sim.machine import SimMachine
from support.sim_daemon import Tiers, tiers
from unit.record.test_recorder import HOT, accessed, head, nodes, tape, touch

VERSION_1 = Path(__file__).parent / "data" / "version1.mms"
"""Written by mmscand at commit 51af668: `tape` of test_recorder over four passes."""


def texts_of(passes: list[ProcessPass]) -> list[bytes]:
    return [b"", *(text for seen in passes for text in texts_in(seen.texts))]


def named(world: Tiers) -> None:
    world.vma.name = b"[heap]"
    world.process.cgroup = "/app.slice"


def test_names_and_cgroup_are_reported_once_and_again_where_mappings_change(tmp_path: Path) -> None:
    world = tiers()
    named(world)

    def map_another() -> None:
        world.machine.map(world.process, 4 << 30, 512, 1).name = b"/srv/db"

    passes = tape(world.machine, tmp_path / "r", [lambda: None, map_another]).passes
    assert [texts_in(seen.texts) for seen in passes] == [
        [b"[heap]", b"/app.slice"],
        [],
        [b"/srv/db"],
    ]
    texts = texts_of(passes)
    assert [texts[number] for number in passes[2].vmas["name"]] == [b"[heap]", b"/srv/db"]
    assert {texts[int(seen.about["cgroup"][0])] for seen in passes} == {b"/app.slice"}


def test_after_execve_numbers_begin_again(tmp_path: Path) -> None:
    world = tiers()
    named(world)

    def execve() -> None:
        world.machine.exec(world.process)
        world.machine.map(world.process, REGION_BYTES, 512, 1).name = b"/srv/other"

    passes = tape(world.machine, tmp_path / "r", [execve]).passes
    assert texts_in(passes[1].texts) == [b"/srv/other", b"/app.slice"]
    assert passes[1].vmas["name"].tolist() == [1]


def test_without_names_nothing_of_them_is_in_the_file(tmp_path: Path) -> None:
    world = tiers()
    named(world)
    passes = tape(world.machine, tmp_path / "r", [touch(world, HOT)], names=False).passes
    assert texts_of(passes) == [b""]
    assert {bytes(seen.about["name"][0]) for seen in passes} == {b"process"}
    assert {int(seen.about["cgroup"][0]) for seen in passes} == {0}
    assert accessed(passes[1], REGION_BYTES, 2048) == HOT


def test_a_name_keeps_any_byte(tmp_path: Path) -> None:
    world = tiers()
    world.vma.name = b"/srv/\xff\\012 (deleted)"
    passes = tape(world.machine, tmp_path / "r", []).passes
    assert texts_of(passes)[1] == world.vma.name


def test_mappings_that_came_between_two_looks_have_no_name() -> None:
    starts = np.array([1, 3, 5], dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES)
    ends = starts + np.uint64(HUGE_PAGE_BYTES)
    names = MappingNames(starts[:2], ends[:2] + np.array([0, 4096], dtype=np.uint64), (b"a", b"b"))
    vmas = VmaTable(starts, ends, np.zeros(3, dtype=np.uint16))
    assert names.of(vmas) == [b"a", b"", b""]
    assert MappingNames.none().of(vmas) == [b""] * 3


def test_a_process_that_exits_meanwhile_has_no_names() -> None:
    def gone(process: Process) -> MappingNames:
        raise ProcessGone(process.pid)

    world = tiers()
    vmas = world.machine.open(world.process.process).vmas()
    labels = Labels(gone, lambda _: "/")
    assert labels.of(world.process.process, vmas) == ([b""], b"")
    assert NO_LABELS.of(world.process.process, vmas) == ([b""], b"")
    machine: SimMachine = world.machine
    machine.exit(world.process)
    assert labels_of(machine).of(world.process.process, vmas) == ([b""], b"")


def test_texts_are_numbered_once() -> None:
    texts = Texts()
    assert [texts.number(text) for text in (b"a", b"", b"b", b"a")] == [1, 0, 2, 1]
    assert texts_in(texts.take_new()) == [b"a", b"b"]
    assert texts_in(texts.take_new()) == []


def test_a_recording_of_version_1_is_read_as_it_was() -> None:
    recording = Recording(VERSION_1)
    passes = list(recording.passes())
    assert not recording.cut
    assert [accessed(seen, REGION_BYTES, 2048) for seen in passes] == [[], HOT, [], [7]]
    assert {bytes(seen.about["name"][0]) for seen in passes} == {b"app"}
    assert passes[0].vmas["end"].tolist() == [REGION_BYTES + 4 * HUGE_PAGE_BYTES]
    assert passes[0].vmas["name"].tolist() == [0]
    assert {int(seen.about["cgroup"][0]) for seen in passes} == {0}


def test_a_newer_one_is_refused_with_what_to_do(tmp_path: Path) -> None:
    newer = head()
    newer["version"] = 3
    with RecordingWriter(tmp_path / "r", newer, nodes(), 1 << 20):
        pass
    with pytest.raises(
        UsageError, match="has format 3, and this mmscand reads formats 1 to 2"
    ) as e:
        Recording(tmp_path / "r")
    assert "newer" in e.value.hint
