"""Where a load of a contest runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmscand.model import Topology
from mmscand_lab.tier_speeds import TierSpeeds


@dataclass(frozen=True, slots=True)
class Place:
    """Where a load runs, and by which seed."""

    topology: Topology
    folder: Path
    """For its files; exists, in the folder of the results."""
    seed: int
    speeds: TierSpeeds
    """Of the tiers."""
