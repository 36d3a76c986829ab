"""What all process scanners share."""

from dataclasses import dataclass

from mmscand.clock import Clock, CpuMeter
from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.observe.events import Observer
from mmscand.scan.mode import Mode
from mmscand.scan.visit import Watcher


@dataclass(frozen=True, slots=True)
class ScanContext:
    """Where pages are read, where those that are to move go, and which others see it."""

    machine: Machine
    migration_list: MigrationList
    clock: Clock
    observer: Observer
    watcher: Watcher
    mode: Mode
    aging: CpuMeter
    """CPU time of clearing Accessed bits, of all processes."""
