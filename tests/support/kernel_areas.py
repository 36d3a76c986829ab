"""A plugin for pytest in a guest: which areas of docs/reference/support.md work on its kernel.

Loaded with ``-p support.kernel_areas``. With MMSCAND_KERNELS_ONLY it leaves tests without an area
out. It writes `AREAS` into the folder MMSCAND_GUEST_FILES.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from mmscand.linux.checks import run_checks
from mmscand.linux.topology import NodeReader, read_topology
from support.guest_world import switch_on_mglru

AREAS = "areas.json"


def area_of(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("area")
    return None if marker is None else str(marker.args[0])


class KernelAreas:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._area: dict[str, str] = {}
        self._passed, self._failed = Counter[str](), Counter[str]()
        self._checks: dict[str, str] = {}

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        found = {item.nodeid: area_of(item) for item in items}
        self._area = {name: area for name, area in found.items() if area is not None}
        if os.environ.get("MMSCAND_KERNELS_ONLY"):
            config.hook.pytest_deselected(items=[i for i in items if i.nodeid not in self._area])
            items[:] = [item for item in items if item.nodeid in self._area]

    def pytest_sessionstart(self) -> None:
        # Before any test: the last one locks the kernel down.
        switch_on_mglru()
        checks = run_checks(read_topology(NodeReader()))
        self._checks = {check.name: check.detail if check.ok else "no" for check in checks}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        area = self._area.get(report.nodeid)
        if area is not None and report.failed:
            self._failed[area] += 1
        elif area is not None and report.passed and report.when == "call":
            self._passed[area] += 1

    def pytest_sessionfinish(self) -> None:
        found = {"kernel": os.uname().release, "checks": self._checks}
        counts = {"passed": self._passed, "failed": self._failed}
        (self._folder / AREAS).write_text(json.dumps(found | counts), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(os.environ["MMSCAND_GUEST_FILES"])
    config.pluginmanager.register(KernelAreas(folder), "kernel-areas")
