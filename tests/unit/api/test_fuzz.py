"""The API against its own description: every operation, with what it allows and what it does not.

The description is read from the application, so a new operation is fuzzed without a new test.
"""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mmscand.api.routes import create_app
from mmscand.control.client import ControlClient
from mmscand.errors import UsageError
from mmscand.settings import KNOBS, Settings, changed, values_of
from mmscand.settings_store import SettingsStore
from support.fake_daemon import FakeDaemon

NO_DAEMON = ControlClient(Path("/nowhere"))
DESCRIPTION: dict[str, Any] = json.loads(json.dumps(create_app(NO_DAEMON, "1").openapi()))
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
    if path != "/v1/events"  # it has no end
]
ANYWHERE = {"404", "405"}
"""Not documented for each operation: a path that was fuzzed until it is another one."""

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def valid(schema: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - a table
    """Values that a schema allows, as far as our descriptions go."""
    schema = resolved(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "number":
            above = "exclusiveMinimum" in schema
            low = schema["exclusiveMinimum" if above else "minimum"]
            return st.floats(low, schema["maximum"], exclude_min=above)
        case "array":
            return st.lists(valid(schema["items"]), max_size=3)
        case "object":
            fields = {name: valid(each) for name, each in schema["properties"].items()}
            return st.fixed_dictionaries({}, optional=fields)
    return st.sampled_from(list(KNOBS)) | st.text(max_size=80)


def edges(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """At the bounds, just outside, and of the wrong type."""
    schema = resolved(schema)
    bounds = [schema[k] for k in ("minimum", "exclusiveMinimum", "maximum") if k in schema]
    around = [bound + step for bound in bounds for step in (-1, 0, 1, 0.5)]
    return (st.sampled_from(around) | junk) if around else junk


def any_body(schema: dict[str, Any]) -> st.SearchStrategy[bytes]:
    fields = {n: valid(s) | edges(s) for n, s in resolved(schema)["properties"].items()}
    broken = st.fixed_dictionaries({}, optional=fields)
    with_junk = st.builds(lambda a, b: a | b, broken, st.dictionaries(st.text(max_size=9), junk))
    values = valid(schema) | broken | with_junk | junk
    return values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)


@st.composite
def requests(draw: st.DrawFn, method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    parameters: list[tuple[str, str]] = []
    for each in operation.get("parameters", ()):
        value = draw(valid(each["schema"]) | edges(each["schema"]))
        if each["in"] == "path":
            assume(value not in (".", ".."))  # clients resolve these: it is another path
            path = path.replace("{" + each["name"] + "}", quote(str(value), safe=""))
        else:
            values = value if isinstance(value, list) else [value]
            parameters += [(each["name"], str(one)) for one in values]
    body, headers = None, {}
    if "requestBody" in operation:
        body = draw(any_body(operation["requestBody"]["content"]["application/json"]["schema"]))
        kind = draw(st.sampled_from(["application/json"] * 4 + ["text/plain", ""]))
        headers = {"content-type": kind} if kind else {}
    if draw(st.integers(0, 9)) == 0:
        parameters.append((draw(st.text("abc_", min_size=1, max_size=5)), "1"))
    return {
        "method": method,
        "url": path + ("?" + str(httpx.QueryParams(parameters)) if parameters else ""),
        "content": body,
        "headers": headers,
    }


def send(app: FastAPI, request: dict[str, Any]) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://d") as client:
            return await client.request(**request)

    return asyncio.run(go())


def check(response: httpx.Response, operation: dict[str, Any]) -> None:
    """A documented status code, and a body that its schema allows."""
    code = str(response.status_code)
    assert response.status_code < 500, response.text
    documented = operation["responses"]
    assert code in documented.keys() | ANYWHERE, (code, response.text)
    fallback = {"$ref": "#/components/schemas/Error"}
    content = documented.get(code, {}).get("content", {})
    if "application/json" not in content and code in documented:
        assert response.headers["content-type"].partition(";")[0] in content
        return
    schema = content.get("application/json", {}).get("schema", fallback)
    root = {**schema, "components": DESCRIPTION["components"]}
    Draft202012Validator(root).validate(response.json())


def check_settings(store: SettingsStore) -> None:
    """In bounds, in order, and clamped."""
    now = store.current
    assert changed(Settings(), values_of(now)).settings == now
    assert now.scan_period_min_ms <= now.scan_period_ms <= now.scan_period_max_ms
    assert now.scan_size_min_mb <= now.scan_size_mb <= now.scan_size_max_mb


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda v: str(v)[:30])
def test_every_operation_keeps_what_its_description_promises(
    method: str,
    path: str,
    operation: dict[str, Any],
    daemon: FakeDaemon,
    client: ControlClient,
) -> None:
    app = create_app(client, "1")

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(request=requests(method, path, operation))
    def holds(request: dict[str, Any]) -> None:
        before = daemon.settings.current
        response = send(app, request)
        check(response, operation)
        check_settings(daemon.settings)
        if response.is_error:
            assert daemon.settings.current == before

    holds()


def test_what_the_description_allows_is_refused_only_for_its_order(
    daemon: FakeDaemon, client: ControlClient
) -> None:
    app = create_app(client, "1")

    @settings(max_examples=60, deadline=None)
    @given(wanted=valid({"$ref": "#/components/schemas/WantedKnobs"}))
    def holds(wanted: dict[str, Any]) -> None:
        daemon.settings.reset()
        response = send(app, {"method": "PATCH", "url": "/v1/knobs", "json": wanted})
        if response.status_code == 422:
            assert " is above " in response.json()["error"]
            with pytest.raises(UsageError):
                SettingsStore(daemon.settings.current).change(wanted)
        else:
            assert response.status_code == 200
            assert response.json()["values"].keys() >= wanted.keys()

    holds()


def test_everything_that_goes_over_the_wire_is_described() -> None:
    for name, schema in DESCRIPTION["components"]["schemas"].items():
        for field, described in schema["properties"].items():
            assert described.get("description"), f"{name}.{field}"
    for method, path, operation in OPERATIONS:
        assert operation["description"], f"{method} {path}"
        assert operation["tags"], f"{method} {path}"
