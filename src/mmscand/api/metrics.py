"""What /metrics shows: the daemon's fields, groups of processes, and the kernel's own counters.

A new counter or field is in the table (observe.fields) and here without a change. What follows is
what the conventions of Prometheus want in another shape than the table has it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from mmscand.api.metric_names import PREFIX, add, families, family
from mmscand.control.client import ControlClient
from mmscand.errors import MmscandError
from mmscand.observe.counters import COUNTERS
from mmscand.observe.groups import FIELDS, Groups
from mmscand.observe.status import DaemonStatus
from mmscand.reasons import FAILED, failures
from mmscand.shown import shown

Answer = Mapping[str, Any]
_PAGE_BYTES = 4096
_DIRECTIONS = ("promoted", "demoted")
_SHAPED_FIELDS = ("counters", "cpu_seconds")
_HUGE = tuple(f"{direction}_huge" for direction in _DIRECTIONS)
_SHAPED_COUNTERS = (*_DIRECTIONS, *_HUGE, "visits", "visit_us")
_CPU_PARTS = {"scanning": "scan", "aging": "age", "moving": "move"}
_OPENMETRICS = "application/openmetrics-text"
_PLAIN = "text/plain; version=0.0.4; charset=utf-8"
"""prometheus-client has a name for it from 0.22 on."""


class Exporter(Collector):
    """Asks the daemon each time that somebody reads the metrics."""

    def __init__(
        self,
        daemon: ControlClient,
        groups: Groups,
        kernel: Callable[[], Iterator[Metric]],
        version: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._daemon = daemon
        self._groups = groups
        self._kernel = kernel
        self._version = version
        self._clock = clock
        self._registry = CollectorRegistry()
        self._registry.register(_Described(self))

    def text(self, accept: str) -> tuple[bytes, str]:
        """All metrics in OpenMetrics where that is accepted, else Prometheus' text; the type."""
        if _OPENMETRICS in accept:
            text = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            return text, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self._registry), _PLAIN

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        began = self._clock()
        yield _info("exporter", "The program that serves these metrics.", version=self._version)
        up = GaugeMetricFamily(f"{PREFIX}_up", "1 where the daemon answers, 0 where it is away.")
        try:
            status, processes = self._daemon.status(), self._daemon.processes()
        except MmscandError:
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
            groups = self._groups.take(status["start_timestamp"], processes["processes"])
            yield from daemon_families(status)
            yield _processes(processes)
            yield from group_families(groups)
            yield _fast_access(processes, self._groups)
        yield up
        yield from self._kernel()
        yield GaugeMetricFamily(
            f"{PREFIX}_exporter_collect_seconds",
            "How long it took to collect these metrics.",
            value=self._clock() - began,
        )


class _Described(Collector):
    """Without `describe`, so that nothing is asked when it is registered."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def collect(self) -> Iterator[Metric]:
        return self._exporter.collect()

    def describe(self) -> list[Metric]:
        return []


def _info(what: str, about: str, **labels: object) -> Metric:
    metric = InfoMetricFamily(f"{PREFIX}_{what}", about)
    metric.add_metric([], {label: shown(str(value)) for label, value in labels.items()})
    return metric


def daemon_families(status: Answer) -> Iterator[Metric]:
    """The whole daemon, from its answer to `status`."""
    yield _info("build", "The daemon.", version=status["version"])
    config_hash = status.get("config_hash", "")
    yield _info(
        "config", "The configuration file that was read last, by its SHA-256.", hash=config_hash
    )
    yield _info("reader", "How the daemon reads page tables.", name=status.get("reader", ""))
    yield from families(DaemonStatus, status, skip=_SHAPED_FIELDS)
    yield from _counters(Counter(status["counters"]))
    for part, seconds in status["cpu_seconds"].items():
        yield CounterMetricFamily(
            f"{PREFIX}_{_CPU_PARTS.get(part, part)}_cpu_seconds",
            f"CPU time of {part} since the start of the daemon.",
            value=seconds,
        )
    yield _budget(status["budget"])


def _counters(counters: Mapping[str, float]) -> Iterator[Metric]:
    for name, field in COUNTERS.items():
        if name not in _SHAPED_COUNTERS:
            metric = family(field)
            add(metric, field, (), counters[name])
            yield metric
    pages = CounterMetricFamily(
        f"{PREFIX}_pages_moved",
        "Pages (4 KiB) that were moved: alone (4k), or as huge pages (huge).",
        labels=["direction", "size"],
    )
    moved = CounterMetricFamily(
        f"{PREFIX}_moved_bytes", "Bytes that were moved.", labels=["direction"]
    )
    for direction, huge in zip(_DIRECTIONS, _HUGE, strict=True):
        pages.add_metric([direction, "4k"], counters[direction] - counters[huge])
        pages.add_metric([direction, "huge"], counters[huge])
        moved.add_metric([direction], counters[direction] * _PAGE_BYTES)
    yield from (pages, moved)
    failed = CounterMetricFamily(
        f"{PREFIX}_move_failures",
        "Pages that did not move, by errno: ELSEWHERE is on neither its source nor the target, "
        "ENOENT was freed, ENOMEM is no room.",
        labels=["reason"],
    )
    for reason, number in failures({f"{FAILED}ENOMEM": 0, **counters}).items():
        failed.add_metric([reason], number)
    yield failed
    yield SummaryMetricFamily(
        f"{PREFIX}_pass_duration_seconds",
        "Visits to processes: a pass over an address space, or a part of one.",
        count_value=int(counters["visits"]),
        sum_value=counters["visit_us"] / 1e6,
    )


def _budget(budget: Answer | None) -> Metric:
    ratio = GaugeMetricFamily(
        f"{PREFIX}_budget_ratio",
        "Share of a budget that is in use, more than 1 is over it; cpu: average of ten minutes.",
        labels=["kind"],
    )
    if budget and budget["limit_percent"]:
        ratio.add_metric(["cpu"], budget["used_percent"] / budget["limit_percent"])
    return ratio


def _processes(answer: Answer) -> Metric:
    """Each process is in one state."""
    states = Counter({"full": 0, "slowed": 0, "stopped": 0, "excluded": 0, "left_alone": 0})
    states.update(each["effort"] for each in answer["processes"])
    for each in answer["left_alone"]:
        excluded = str(each["why"]).startswith("excluded by a rule")
        states["excluded" if excluded else "left_alone"] += 1
    metric = GaugeMetricFamily(
        f"{PREFIX}_processes",
        "Processes: watched with full effort, slowed or stopped as promoting does not pay, "
        "excluded by a rule, or left alone as they cannot be watched.",
        labels=["state"],
    )
    for state, number in states.items():
        metric.add_metric([state], number)
    return metric


def group_families(groups: Mapping[str, Mapping[str, float]]) -> Iterator[Metric]:
    """Watched processes by the rule that matches them; see observe.groups."""
    number = GaugeMetricFamily(
        f"{PREFIX}_group_processes", "Watched processes by rule.", labels=["group"]
    )
    reused = GaugeMetricFamily(
        f"{PREFIX}_promoted_reused_ratio",
        "Share of the promoted pages that were accessed again, by a sample, since mmscand-api "
        "started.",
        labels=["group"],
    )
    moved = CounterMetricFamily(
        f"{PREFIX}_group_pages_moved",
        "Pages that were moved since mmscand-api started.",
        labels=["group", "direction"],
    )
    for name, group in groups.items():
        number.add_metric([shown(name)], group["processes"])
        for direction in _DIRECTIONS:
            moved.add_metric([shown(name), direction], group.get(direction, 0))
        if promoted := group.get("promoted"):
            reused.add_metric([shown(name)], min(1.0, group.get("again", 0) / promoted))
    yield from (number, reused, moved)
    for field in FIELDS.values():
        # The daemon has a sum of its own over all processes, also those that have left.
        metric = family(field, ["group"], "group_" if field.name in COUNTERS else "")
        for name, group in groups.items():
            if field.name in group:
                add(metric, field, (name,), group[field.name])
        yield metric


def _fast_access(processes: Answer, groups: Groups) -> Metric:
    """By group, a mean of its processes, each by the accesses of its pages that were seen."""
    metric = GaugeMetricFamily(
        f"{PREFIX}_fast_access_ratio",
        "Share of accesses that the fast tier serves, estimated: a mean of processes, by in how "
        "many of six seconds their pages are accessed. mmscand_fast_ratio is of all.",
        labels=["group"],
    )
    sums: dict[str, list[float]] = {}
    for process in processes["processes"]:
        if (share := process["fast_ratio"]) is None:
            continue
        histograms = process["hotness"].values()
        weight = sum(seconds * n for pages in histograms for seconds, n in enumerate(pages))
        of_group = sums.setdefault(groups.name_of(process), [0.0, 0.0])
        of_group[0] += share * weight
        of_group[1] += weight
    for name, (served, total) in sorted(sums.items()):
        if total:
            metric.add_metric([shown(name)], served / total)
    return metric
