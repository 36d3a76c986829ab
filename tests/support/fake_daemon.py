"""A daemon that only remembers what it was reported: what the API needs, and no thread."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmscand.config import Config
from mmscand.config_snapshot import config_object
from mmscand.errors import MmscandError
from mmscand.heat.picture import Pieces, ProcessHeat
from mmscand.model import HUGE_PAGE_BYTES, MappingNames, Process
from mmscand.observe.event_log import Logged
from mmscand.observe.status import BudgetStatus, DaemonStatus, ProcessStatus
from mmscand.observe.why import MappingWhy, PageWhy, ProcessRates, ProcessWhy
from mmscand.scan.rules import Rule, Rules
from mmscand.settings import Settings
from mmscand.settings_store import SettingsStore

NOW = 1_700_180_000.0
"""Unix time."""


def watched(pid: int, name: str = "app") -> ProcessStatus:
    return ProcessStatus(
        process=Process(pid, 1000 + pid, name),
        state="slowed",
        fast_pages=1024,
        slow_pages=4096,
        hot_slow_pages=300,
        slow_by_reason={"no_room": 200, "refused": 100, "cold": 3796},
        fast_ratio=0.875,
        passes=3,
        aggressiveness=8,
        rule="name=^app",
        scan_period_ms=400,
        exposure_ms=None,
        changes=2,
        scan_size_mb=1024,
        cursor=4096,
        aging="shared memory is left out",
        target_node=None if pid % 2 else 0,
        useful_pages=77,
        failed_percent=5,
        effort="slowed",
        effort_why="it does not pay: saved about 0 s for 0.4 s spent, by 99 looks",
        saved_s=0.25,
        spent_s=1.5,
        hotness={1: [9, 0, 0, 0, 0, 3, 4]},
        skipped_mappings={"special": 2},
        skipped_pages={"special": 6},
        counters={"promoted": 512},
    )


@dataclass
class FakeDaemon:
    settings: SettingsStore = field(default_factory=lambda: SettingsStore(Settings(hot_passes=3)))
    enabled: bool = True
    pids: tuple[int, ...] = (20, 7)
    fails: MmscandError | None = None
    reloads: int = 0
    name: str = "app"
    waiting: int = 0
    now: float = NOW

    def status(self) -> DaemonStatus:
        return DaemonStatus(
            enabled=self.enabled,
            running=True,
            reader="bpf",
            queued_slots=4,
            processes=tuple(watched(pid, self.name) for pid in self.pids),
            hotness={1: [18, 0, 0, 0, 0, 6, 8]},
            skipped_mappings={"special": 4},
            skipped_pages={"special": 12},
            counters={"promoted": 1024},
            cpu_seconds={"scanning": 0.25, "aging": 0.125, "moving": 0.5},
            credit_percent=87,
            nodes={"fast": [0], "slow": [1]},
            tier_pages={
                "fast": {"free": 256, "cache": 128, "used": 640},
                "slow": {"free": 3072, "cache": 0, "used": 1024},
            },
            start_timestamp=self.now - 180_000.0,
            switch_timestamp=self.now - 180_000.0,
            last_pass_timestamp=self.now - 0.4,
            budget=BudgetStatus(1.0, 0.0, 0.97, 3.5, waiting=self.waiting, round_s=42.4),
            minute={"promoted": 512, "demoted": 256, "failed_EBUSY": 3, "saved_s": 1.2}
            | {"spent_s": 0.1},
            states={"slowed": 1, "watched": 1},
            slow_by_reason={"no_room": 2600, "refused": 600, "cold": 9999},
            edge=40.0,
            fast_ratio=0.91,
            fast_ratio_low=0.89,
            fast_ratio_high=0.93,
            reused_ratio=0.93,
            pressure={"some": 0.5, "full": 0.1},
            left_alone={
                Process(300, 1300, "qemu"): "it owns a KVM machine",
                Process(301, 1301, self.name): "excluded by a rule: name=^app",
            },
        )

    def configuration(self) -> dict[str, Any]:
        rules = Rules([Rule(8, name=re.compile("^app"))])
        return config_object(Config(self.settings.initial, rules), self.settings)

    def why(self, pid: int, address: int | None = None) -> ProcessWhy | None:
        if pid not in self.pids:
            return None
        slow = {"no_room": 200, "refused": 100, "cold": 3796}
        heap = MappingWhy(b"[heap]", 1 << 30, (1 << 30) + (5120 << 12), None, 1024, slow)
        vdso = MappingWhy(b"[vdso]", 1 << 40, (1 << 40) + 8192, "special", 0, {})
        page = (
            None
            if address is None
            else PageWhy(
                *(address, 1, False, 12.5, 16.0, 1.28, "refused", 2, 30.0, 95.0, True, 0.0)
            )
        )
        return ProcessWhy(Process(pid, 1000 + pid, self.name), True, 40.0, (heap, vdso), page)

    def rates(self) -> tuple[ProcessRates, ...]:
        rates = ((90.0, 100, 900), (1.0, 9000, 0))
        return tuple(
            ProcessRates(Process(pid, 1000 + pid, self.name), f"/app/{pid}", rates, 200)
            for pid in self.pids
        )

    def events(self, since: int = 0) -> tuple[Logged, ...]:
        made = (
            Logged(1, self.now - 60, "moved", "app[7]: promoted 512 pages (2.0 MiB) to node 0"),
            Logged(2, self.now - 5, "effort_changed", "app[7]: scanned less, it does not pay"),
        )
        return tuple(each for each in made if each.number > since)

    def process(self, pid: int) -> ProcessStatus | None:
        return next((each for each in self.status().processes if each.process.pid == pid), None)

    def left_alone(self, pid: int) -> str:
        others = self.status().left_alone.items()
        return next((why for process, why in others if process.pid == pid), "")

    def heat(self, pid: int) -> ProcessHeat | None:
        """One mapping with two pieces, of the second of which nothing is known."""
        if pid not in self.pids:
            return None
        starts = np.array([1 << 30, 3 << 30], dtype=np.uint64)
        counts = np.array([512, 256])
        pieces = Pieces(
            unit="rate",
            mappings=MappingNames(starts[:1], starts[1:], (b"[heap]",)),
            mapping=np.array([0, 1]),
            starts=starts,
            ends=starts + np.uint64(HUGE_PAGE_BYTES),
            heat=np.array([2.5, np.nan]),
            known=np.array([512, 0]),
            slow=counts,
            fast=counts[::-1],
        )
        return ProcessHeat(Process(pid, 1000 + pid, self.name), pieces)

    def enable(self) -> None:
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False

    def reload(self) -> list[str]:
        if self.fails is not None:
            raise self.fails
        self.reloads += 1
        return ["scan_sleep_ms 0 became 30"]
