"""The HTTP API, from its OpenAPI description, and the metrics, from what is collected."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.core import Metric

from mmscand.api.kernel_metrics import KernelCounters
from mmscand.api.metrics import Exporter
from mmscand.api.routes import create_app
from mmscand.control.client import ControlClient
from mmscand.observe.groups import Groups
from mmscand_reference.text import code, one_line, table

_USUAL = ("200", "401", "403", "503")
Json = Any


def api() -> Iterator[str]:
    """The page of all operations."""
    description = create_app(ControlClient(Path("/run/mmscand.sock")), "").openapi()
    operations = [
        (method.upper(), path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    yield "# HTTP API\n"
    yield (
        "`mmscand-api` serves it; `GET /openapi.json` has all of this for programs. How to start "
        "it, and who may use it: [configuration](configuration.md#http).\n"
    )
    yield from table(
        ("operation", "what it does"),
        (
            (code(f"{method} {path}"), operation["description"])
            for method, path, operation in operations
        ),
    )
    usual = operations[0][2]["responses"]
    yield "Every operation may be refused with an `Error`:\n"
    yield from table(("code", "when"), ((c, usual[c]["description"]) for c in _USUAL[1:]))
    for method, path, operation in operations:
        yield from _operation(method, path, operation)
    yield "## Objects\n"
    for name, schema in description["components"]["schemas"].items():
        yield from _schema(name, schema)


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    others = {c: r for c, r in operation["responses"].items() if c not in _USUAL}
    yield f"## {method} {path}\n"
    yield one_line(operation["description"]) + "\n"
    if parameters := operation.get("parameters"):
        yield from table(
            ("parameter", "in", "meaning"),
            (
                (
                    code(each["name"]),
                    each["in"],
                    each.get("description", ""),
                )
                for each in parameters
            ),
        )
    asked = _named(operation.get("requestBody"))
    given = _named(operation["responses"]["200"])
    if asked:
        yield f"Takes {asked}.\n"
    if given:
        yield f"Returns {given}.\n"
    if others:
        yield from table(
            ("code", "when"), ((c, r.get("description", "")) for c, r in others.items())
        )


def _named(body: Json) -> str:
    """A link to the object in a body, '' where it has none."""
    schema = ((body or {}).get("content") or {}).get("application/json", {}).get("schema", {})
    return _type(schema) if "$ref" in schema else ""


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f"### {name}\n"
    yield one_line(schema.get("description", "")) + "\n"
    yield from table(
        ("member", "type", "meaning"),
        (
            (code(member), _type(about), about.get("description", ""))
            for member, about in schema.get("properties", {}).items()
        ),
    )


def _type(schema: Json) -> str:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if options := schema.get("anyOf"):
        return " or ".join(_type(each) for each in options)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def metrics() -> Iterator[str]:
    """The page of all metrics."""
    yield "# Metrics\n"
    yield (
        "`GET /metrics` of `mmscand-api`, for Prometheus: OpenMetrics where it is asked for, else "
        "Prometheus' own text. Units are base units: bytes, seconds, ratios of 1. Counters of "
        "pages stay pages of 4 KiB. No label has a pid. "
        "[Alerts and a dashboard](../how-to/alerts.md).\n"
    )
    exporter = Exporter(_NothingHappened(Path()), Groups(), KernelCounters(), "")
    yield from table(("metric", "kind", "labels", "meaning"), map(_metric, exporter.collect()))


class _NothingHappened(ControlClient):
    """A daemon that was started a moment ago: every metric is there, few have a value."""

    def status(self) -> dict[str, Json]:
        """Without fields that an answer leaves out where they have no value."""
        parts = dict.fromkeys(("scanning", "aging", "moving"), 0.0)
        return {
            "version": "",
            "counters": {},
            "cpu_seconds": parts,
            "budget": None,
            "start_timestamp": 0.0,
        }

    def processes(self) -> dict[str, Json]:
        """None."""
        return {"processes": [], "left_alone": []}


def _metric(metric: Metric) -> tuple[str, str, str, str]:
    name = metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")
    labels: tuple[str, ...] = getattr(metric, "_labelnames", ())
    return code(name), metric.type, ", ".join(map(code, labels)), metric.documentation
