"""Metrics from the table of fields: names, base units, labels, by the rules of Prometheus.

A field `scan_period_ms` becomes `mmscand_scan_period_seconds`. Sizes are bytes and shares are
ratios; counters of pages stay pages, as they count what was looked at or moved.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mmscand.observe.fields import COUNTER, TEXT, Field, fields_of
from mmscand.shown import shown

PREFIX = "mmscand"
_BASE_UNITS = {
    "pages": ("bytes", 4096.0),
    "MiB": ("bytes", 1048576.0),
    "MiB/s": ("bytes_per_second", 1048576.0),
    "s": ("seconds", 1.0),
    "ms": ("seconds", 1e-3),
    "us": ("seconds", 1e-6),
    "ns": ("seconds", 1e-9),
    "%": ("ratio", 0.01),
    "accesses/s": ("accesses_per_second", 1.0),
}
"""By a unit of the table: the base unit, and how many of these it is."""
_UNIT_ENDS = re.compile("_(mb_s|mb|ms|us|ns|s|percent|pages|seconds)$")
_MOST_VALUES = 500
"""In one family: names of rules and errnos are few. What is more is left out."""
Labelled = Iterator[tuple[tuple[str, ...], float]]


def family(field: Field, labels: Iterable[str] = (), prefix: str = "") -> Metric:
    """An empty family for a field, named by its name and unit."""
    unit, _ = base_unit(field)
    stem = _UNIT_ENDS.sub("", f"{prefix}{field.name}").replace(f"_{unit}_", "_")
    kind = CounterMetricFamily if field.kind == COUNTER else GaugeMetricFamily
    named = f"{PREFIX}_{stem}"
    named = named if not unit or named.endswith(f"_{unit}") else f"{named}_{unit}"
    return kind(named, field.help, labels=list(labels))


def base_unit(field: Field) -> tuple[str, float]:
    """The unit of its metric, '' for none, and how many of these one of the table's is."""
    if field.kind == COUNTER and field.unit == "pages":
        return "pages", 1.0
    return _BASE_UNITS.get(field.unit, (re.sub(r"\W+", "_per_", field.unit).strip("_"), 1.0))


def add(metric: Metric, field: Field, labels: tuple[str, ...], value: float) -> None:
    """One sample, in the base unit."""
    _, factor = base_unit(field)
    assert isinstance(metric, CounterMetricFamily | GaugeMetricFamily)
    metric.add_metric([shown(label) for label in labels], value * factor)


def families(cls: type, answer: Mapping[str, Any], skip: Iterable[str] = ()) -> Iterator[Metric]:
    """All fields of a snapshot that are numbers, but those in `skip`, and what is inside of it."""
    yield from _families(cls, answer, "", frozenset(skip))


def _families(
    cls: type, answer: Mapping[str, Any], prefix: str, skip: frozenset[str]
) -> Iterator[Metric]:
    for name, field in fields_of(cls).items():
        inner = _dataclass_in(field.type)
        if name in skip:
            continue
        if inner is not None:
            yield from _families(inner, answer.get(name) or {}, f"{prefix}{name}_", frozenset())
        elif field.kind != TEXT or field.type is bool:
            labels = field.key.split()
            metric = family(field, labels, prefix)
            for place, value in list(_numbers(answer.get(name), len(labels)))[:_MOST_VALUES]:
                add(metric, field, place, value)
            yield metric


def _dataclass_in(declared: object) -> type | None:
    options = get_args(declared) if isinstance(declared, UnionType) else (declared,)
    return next((one for one in options if isinstance(one, type) and is_dataclass(one)), None)


def _numbers(value: object, depth: int) -> Labelled:
    """Each number inside, `depth` mappings or lists deep, with its keys."""
    if depth == 0:
        if isinstance(value, int | float):
            yield (), float(value)
        return
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    for key, each in inner:
        for place, number in _numbers(each, depth - 1):
            yield (str(key), *place), number
