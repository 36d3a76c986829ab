"""The judge of a busy server: where pages are, asked of the kernel before the daemon and after."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmscand.model import IntArray
from mmscand_lab.busy_daemon import BusyDaemon
from mmscand_lab.busy_result import BusyResult, DaemonRun, Large, Stays, Story
from mmscand_lab.busy_world import ROWS, World, nodes_of
from mmscand_lab.kvm import Counts


@dataclass(frozen=True, slots=True)
class Before:
    """What was true before the daemon."""

    nodes: dict[str, IntArray]
    """Of the pages that must stay."""
    kvm_counts: Counts

    @classmethod
    def of(cls, world: World) -> Before:
        """What is true now."""
        nodes = {name: nodes_of(each) for name, each in world.must_stay().items()}
        return cls(nodes, world.kvm.counts())


def judged(
    world: World,
    before: Before,
    story: Story,
    daemons: Sequence[BusyDaemon],
    runs: Sequence[DaemonRun],
) -> BusyResult:
    """All figures, after the daemons have ended."""
    box = nodes_of(world.crowd.named["container"])
    passes = daemons[0].events.passes + daemons[1].events.passes
    now = world.must_stay().items()
    return BusyResult(
        kernel=os.uname().release,
        story=story,
        large={name: _large(world, name, passes[t.pid]) for name, t in world.large.items()},
        stays={name: stays(before.nodes[name], nodes_of(each)) for name, each in now},
        kvm=world.kvm.use_since(before.kvm_counts),
        container_promoted=float((box == world.fast).mean()),
        small_processes=len(world.crowd.small),
        small_seen=sum(passes[each.pid] > 0 for each in world.crowd.small),
        demoted=sum(daemon.events.demoted for daemon in daemons),
        postgres_rows=int(world.cluster.sql("select count(*) from hot")),
        postgres_rows_made=ROWS,
        runs=list(runs),
    )


def stays(before: IntArray, after: IntArray) -> Stays:
    """Pages that are there both times are compared; one that was never there has no node."""
    there = (before >= 0) & (after >= 0)
    return Stays(int(there.sum()), int(np.count_nonzero(before[there] != after[there])))


def _large(world: World, name: str, passes: int) -> Large:
    hot, cold = world.probes[name].shares()
    return Large(hot, cold, int(world.large[name].hot.sum()), passes)
