"""The kernel's own counters of tiering, beside ours and never summed with them.

node_exporter drops pgpromote and pgdemote by its default filter. What is read here is what any user
may read; `mmscand_kernel_readable` says what this process may not read.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_MOVED = {
    "pgpromote_success": ("promoted", "numa_balancing"),
    "pgdemote_kswapd": ("demoted", "kswapd"),
    "pgdemote_direct": ("demoted", "direct"),
    "pgdemote_khugepaged": ("demoted", "khugepaged"),
    "pgdemote_proactive": ("demoted", "proactive"),
}
"""include/linux/mmzone.h, enum node_stat_item: of each node, that pages came from."""
_OF_NODES = {
    "pgpromote_candidate": "Pages that NUMA balancing would promote (numa_balancing=2).",
}
_OF_ALL = {
    "numa_pte_updates": "Page-table entries that NUMA balancing closed, to see accesses.",
    "numa_huge_pte_updates": "The same of huge pages.",
    "numa_hint_faults": "Faults on these: accesses that NUMA balancing saw.",
    "numa_hint_faults_local": "Of these, to memory of the node that they came from.",
    "numa_pages_migrated": "Pages that NUMA balancing moved.",
    "pgmigrate_success": "Pages that were moved by anybody, mmscand too.",
    "pgmigrate_fail": "Pages that could not be moved, by any program.",
}
"""include/linux/vm_event_item.h."""
_DAMON_STAT = "sys/module/damon_stat/parameters"
_DAMON_STAT_FILES = {
    "estimated_memory_bandwidth": (
        "mmscand_kernel_damon_memory_bandwidth_bytes_per_second",
        "DAMON's estimate of accesses to memory (CONFIG_DAMON_STAT).",
    ),
}
_DAMON_SYSFS = "sys/kernel/mm/damon/admin/kdamonds"
_LINE = re.compile(r"^(\w+) (\d{1,20})$", re.MULTILINE)
_MOST_NODES = 64


class KernelCounters:
    """Reads them again each time; `root` is / but in tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._readable: dict[str, bool] = {}

    def __call__(self) -> Iterator[Metric]:
        """Families; those without a value are there too, for their help."""
        self._readable = {}
        yield from self._of_nodes()
        yield from self._of_all()
        yield from self._of_damon()
        readable = GaugeMetricFamily(
            "mmscand_kernel_readable",
            "1 where mmscand-api can read this source of the kernel's counters, 0 where it may "
            "not, or this kernel has none.",
            labels=["source"],
        )
        for source, can in self._readable.items():
            readable.add_metric([source], int(can))
        yield readable

    def _of_nodes(self) -> Iterator[Metric]:
        moved = CounterMetricFamily(
            "mmscand_kernel_pages_moved",
            "Pages that the kernel itself moved between tiers, by the node that counts them.",
            labels=["direction", "by", "node"],
        )
        others = {
            name: CounterMetricFamily(f"mmscand_kernel_{name}", text, labels=["node"])
            for name, text in _OF_NODES.items()
        }
        folders = sorted(self._root.glob("sys/devices/system/node/node[0-9]*"))[:_MOST_NODES]
        for folder in folders:
            node = folder.name.removeprefix("node")
            counters = self._counters("node_vmstat", folder / "vmstat")
            for name, value in counters.items():
                if name in _MOVED:
                    moved.add_metric([*_MOVED[name], node], value)
                elif name in others:
                    others[name].add_metric([node], value)
        self._readable.setdefault("node_vmstat", False)
        yield from (moved, *others.values())

    def _of_all(self) -> Iterator[Metric]:
        counters = self._counters("vmstat", self._root / "proc/vmstat")
        for name, text in _OF_ALL.items():
            metric = CounterMetricFamily(
                f"mmscand_kernel_{name}", f"{text} {name} of /proc/vmstat."
            )
            if name in counters:
                metric.add_metric([], counters[name])
            yield metric

    def _of_damon(self) -> Iterator[Metric]:
        for file, (name, text) in _DAMON_STAT_FILES.items():
            metric = GaugeMetricFamily(name, text)
            if (value := self._number("damon_stat", f"{_DAMON_STAT}/{file}")) is not None:
                metric.add_metric([], value)
            yield metric
        daemons = GaugeMetricFamily("mmscand_kernel_damon_kdamonds", "Threads of DAMON by sysfs.")
        if (value := self._number("damon_sysfs", f"{_DAMON_SYSFS}/nr_kdamonds")) is not None:
            daemons.add_metric([], value)
        yield daemons

    def _number(self, source: str, path: str) -> int | None:
        text = self._text(source, self._root / path)
        return int(text) if text.strip().isdecimal() else None

    def _counters(self, source: str, path: Path) -> Mapping[str, int]:
        return {name: int(value) for name, value in _LINE.findall(self._text(source, path))}

    def _text(self, source: str, path: Path) -> str:
        try:
            # Not read_text: it imports a codec, which root alone may read where Python is root's.
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            self._readable.setdefault(source, False)
            return ""
        self._readable[source] = True
        return text
