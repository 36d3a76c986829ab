"""Samples: where frames are, and following a file that grows."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmscand.model import Node, Topology, UIntArray
from mmscand_lab import samples
from mmscand_lab.samples import SAMPLES, SampleLog, SampleReader, TierProbe
from mmscand_lab.truth import Truth

NODES = (Node(0, True, ((0x1000, 0x5000),), {}), Node(1, False, ((0x5000, 0x9000),), {}))
TOPOLOGY = Topology(NODES, frozenset({0}), frozenset({1}))


class FakePagemap:
    def __init__(self, pid: int) -> None:
        self.pid = pid

    def frames(self, start: int, pages: int) -> UIntArray:
        assert (start, pages) == (0x70000, 4)
        return np.array([0x1000, 0x5000, 0x4000, 0], dtype=np.uint64)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("hot", "shares"),
    [([1, 1, 0, 0], (0.5, 0.5)), ([1, 0, 1, 0], (1.0, 0.0)), ([1, 1, 1, 1], (0.5, 0.0))],
)
def test_shares_are_of_the_pages_whose_frame_is_on_a_fast_node(
    monkeypatch: pytest.MonkeyPatch, hot: list[int], shares: tuple[float, float]
) -> None:
    monkeypatch.setattr(samples, "Pagemap", FakePagemap)
    mask = np.array(hot, dtype=np.bool_)
    truth = Truth(7, 0x70000, 4, 1, huge=False, seed=1, hot=mask)
    assert TierProbe(truth, TOPOLOGY).shares() == shares


def test_reader_follows_the_log_while_it_grows(tmp_path: Path) -> None:
    reader, log = SampleReader(tmp_path), SampleLog(tmp_path)
    assert reader.new() == []
    first = log.add("fill")
    second = log.add("before", 0.25, 0.5)
    assert reader.new() == [first, second]
    assert reader.new() == []
    third = log.add("promote", 1.0)
    assert reader.new() == [third]
    log.close()


def test_reader_waits_for_the_file_and_for_the_end_of_a_line(tmp_path: Path) -> None:
    reader = SampleReader(tmp_path)
    assert reader.new() == []
    line = json.dumps({"at": 1.5, "phase": "after", "hot": 1.0, "cold": 0.0}) + "\n"
    (tmp_path / SAMPLES).write_text(line + line[:9])
    assert [sample.at for sample in reader.new()] == [1.5]
    with (tmp_path / SAMPLES).open("a") as file:
        file.write(line[9:])
    assert [sample.phase for sample in reader.new()] == ["after"]
