"""Samples of the ground truth: how they are taken, written, and followed while they grow.

Each is one JSON line in `samples.jsonl`, in a folder that the guest and its host share: that is
how the host sees an experiment live.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TextIO

import numpy as np

from mmscand.linux.pagemap import Pagemap
from mmscand.model import Topology
from mmscand_lab.truth import BoolArray, Truth

SAMPLES = "samples.jsonl"

#: fill: the workload starts; fast: it runs alone and all memory is as fast as the top tier; before:
#: it runs alone; promote: with the daemon, until its hot pages are on the top tier; after: both go
#: on.
Phase = Literal["fill", "fast", "before", "promote", "after"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Where the workload's pages are at one moment."""

    at: float
    """CLOCK_MONOTONIC of the machine that the workload runs on."""
    phase: Phase
    hot: float
    """Share of the hot pages that are on the top tier."""
    cold: float
    """Share of the cold pages that are there."""


class TierProbe:
    """Looks up the workload's frames in pagemap, which neither touches nor ages a page."""

    def __init__(self, truth: Truth, topology: Topology) -> None:
        self._truth = truth
        self._topology = topology
        self._top = np.array(sorted(topology.fast), dtype=np.int32)
        self._pagemap = Pagemap(truth.pid)

    def shares(self) -> tuple[float, float]:
        """Shares of the hot and of the cold pages on the top tier; ProcessGone when it exited."""
        hot, cold = self.shares_of(self._truth.hot, ~self._truth.hot)
        return hot, cold

    def shares_of(self, *groups: BoolArray) -> list[float]:
        """The same of other groups of pages, looked up at one moment."""
        fast = self.on_top()
        return [_share(int(fast[group].sum()), int(group.sum())) for group in groups]

    def on_top(self) -> BoolArray:
        """Which pages are on the top tier now; ProcessGone when the workload exited."""
        frames = self._pagemap.frames(self._truth.address, self._truth.pages)
        return np.isin(self._topology.nodes_of(frames), self._top)

    def close(self) -> None:
        """Close the file."""
        self._pagemap.close()


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


class SampleLog:
    """Appends samples to the file; a reader finds each as soon as it was taken."""

    def __init__(self, folder: Path) -> None:
        self._file: TextIO = (folder / SAMPLES).open("w", encoding="ascii", buffering=1)

    def add(self, phase: Phase, hot: float = 0.0, cold: float = 0.0) -> Sample:
        """Write one sample, taken now."""
        sample = Sample(time.monotonic(), phase, hot, cold)
        self._file.write(json.dumps(asdict(sample)) + "\n")
        return sample

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(slots=True)
class SampleReader:
    """Follows a samples file that somebody else is writing."""

    folder: Path
    _offset: int = field(default=0, init=False)

    def new(self) -> list[Sample]:
        """The samples that are there since the last call; a line half written comes next time."""
        try:
            with (self.folder / SAMPLES).open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [Sample(**json.loads(line)) for line in whole.splitlines()]
