"""Frames of simulated nodes: each in use once, huge ones aligned, none lost."""

import numpy as np
import pytest

from mmscand.model import PAGES_PER_TABLE
from mmscand.sim.nodes import FrameNumbers, Frames, sim_topology

TOPOLOGY = sim_topology((0,), (1,), {0: 2048, 1: 4096})


def test_every_frame_is_handed_out_once_and_is_its_node_s() -> None:
    frames = Frames(TOPOLOGY)
    taken = [frames.allocate(0, slots, 1) for slots in (1, 511, 700, 3)]
    every = np.concatenate(taken)
    assert len(np.unique(every)) == len(every) == 1215
    assert set(TOPOLOGY.nodes_of(every.astype(np.uint64) << np.uint64(12)).tolist()) == {0}
    assert frames.pages(0) == 2048 - 1215


def test_a_full_node_hands_out_what_it_has_and_leaves_what_it_has_to() -> None:
    frames = Frames(TOPOLOGY)
    assert len(frames.allocate(0, 5000, 1, leave=48)) == 2000
    assert len(frames.allocate(0, 5000, 1)) == 48
    assert len(frames.allocate(0, 1, 1)) == 0
    assert frames.pages(1) == 4096


def test_huge_pages_are_aligned_and_need_whole_2_mib() -> None:
    frames = Frames(TOPOLOGY)
    single = frames.allocate(0, 1, 1)
    huge = frames.allocate(0, 9, PAGES_PER_TABLE)
    assert len(huge) == 3
    assert not (huge % PAGES_PER_TABLE).any()
    assert frames.pages(0) == PAGES_PER_TABLE - 1
    frames.release(single, 1)  # the last page of its 2 MiB: they are whole again
    assert len(frames.allocate(0, 1, PAGES_PER_TABLE)) == 1


def test_pages_come_from_broken_2_mib_before_whole_ones_are_broken() -> None:
    frames = Frames(TOPOLOGY)
    frames.release(frames.allocate(0, 600, 1)[:100], 1)
    frames.allocate(0, 100 + 1024 - 600, 1)
    assert len(frames.allocate(0, 2, PAGES_PER_TABLE)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_and_goes_all_is_free_again_in_the_end(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, held = Frames(TOPOLOGY), list[tuple[FrameNumbers, int]]()
    for _ in range(200):
        if len(held) and rng.random() < 0.5:
            numbers, size = held.pop(int(rng.integers(len(held))))
            frames.release(numbers, size)
        else:
            size = int(rng.choice([1, PAGES_PER_TABLE]))
            slots = int(rng.integers(1, 700 if size == 1 else 3))
            held.append((frames.allocate(1, slots, size), size))
        in_use = sum(len(numbers) * size for numbers, size in held)
        assert frames.pages(1) == 4096 - in_use
    for numbers, size in held:
        frames.release(numbers, size)
    assert len(frames.allocate(1, 8, PAGES_PER_TABLE)) == 8


def test_holes_are_no_frames() -> None:
    frames = Frames(TOPOLOGY)
    frames.release(np.zeros(3, dtype=np.uint32), 1)
    assert frames.pages(0) == 2048
    assert frames.nodes_of(np.zeros(1, dtype=np.uint32)).tolist() == [-1]


def test_nodes_are_in_whole_2_mib_and_within_16_tib() -> None:
    for pages in (100, 1 << 33):
        with pytest.raises(ValueError, match="2 MiB"):
            sim_topology((0,), (), {0: pages})


def test_nodes_have_the_latency_and_the_bandwidth_that_they_were_given() -> None:
    topology = sim_topology(
        (0,), (1,), {0: 512, 1: 512}, read_latency_ns={1: 250}, read_bandwidth_mb_s={0: 100_000}
    )
    fast, slow = topology.nodes
    assert (fast.read_latency_ns, slow.read_latency_ns) == (None, 250)
    assert (fast.read_bandwidth_mb_s, slow.read_bandwidth_mb_s) == (100_000, None)
