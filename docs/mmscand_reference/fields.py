"""Fields of snapshots, and events, from where they are defined."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields

from mmscand.observe import events as source
from mmscand.observe.counters import COUNTERS
from mmscand.observe.event_words import EVENT_NAMES
from mmscand.observe.fields import Field, fields_of
from mmscand.observe.status import BudgetStatus, DaemonStatus, ProcessStatus
from mmscand.reasons import FAILED, HOT, REASONS
from mmscand_reference.text import code, one_line, table


def field_tables() -> Iterator[str]:
    """The page of all fields."""
    yield "# Fields\n"
    yield (
        "What `mmscand status --json`, `mmscand ps --json` and the HTTP API have. A page is 4 KiB, "
        "also of a huge page. A *gauge* rises and falls, a *counter* is a sum.\n"
    )
    yield from _fields("The daemon: `status`", fields_of(DaemonStatus))
    yield from _fields("The CPU budget: `budget`", fields_of(BudgetStatus))
    yield from _fields("A process: `ps`", fields_of(ProcessStatus))
    yield from _fields("Counters: `counters` and `minute`", COUNTERS)
    yield (
        f"`{FAILED}X` are pages that did not move, X the errno of move_pages(2). "
        f"`{FAILED}ELSEWHERE`: on neither their source nor their target.\n"
    )
    yield "## What keeps pages slow: `slow_by_reason`\n"
    yield from table(
        ("reason", "hot", "meaning"),
        ((code(name), "yes" if name in HOT else "", words) for name, words in REASONS.items()),
    )


def _fields(title: str, described: Mapping[str, Field]) -> Iterator[str]:
    yield f"## {title}\n"
    yield from table(
        ("field", "kind", "unit", "meaning"),
        ((code(name), field.kind, field.unit, field.help) for name, field in described.items()),
    )


def events() -> Iterator[str]:
    """The page of all events."""
    yield "# Events\n"
    yield (
        "`mmscand run --json` prints one JSON object for each: `event` is its name, `at` seconds "
        "of CLOCK_MONOTONIC, `process` has `pid`, `start_time` (clock ticks after boot) and "
        "`name`; `topology_changed` has none. Counts are 4 KiB pages, but for `skipped` (visits), "
        "`discarded` (page-table pages) and `passes`. `mmscand run --json` also prints lines that "
        "are no events: see "
        "[configuration](configuration.md#lines-of-mmscand-run-json).\n"
    )
    tree = ast.parse(inspect.getsource(source))
    found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for kind, name in EVENT_NAMES.items():
        yield f"## `{name}`\n"
        yield one_line(kind.__doc__ or "") + "\n"
        help_of = _documented(found[kind.__name__]) | {
            one: field.help for one, field in fields_of(kind).items()
        }
        rows = [(code(field.name), help_of.get(field.name, "")) for field in fields(kind)]
        yield from table(("field", "meaning"), rows[1:] if rows[0][0] == "`process`" else rows)


def _documented(node: ast.ClassDef) -> dict[str, str]:
    """By attribute, the string behind it."""
    help_of = {}
    for attribute, text in zip(node.body, node.body[1:], strict=False):
        match attribute, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                help_of[name] = words
    return help_of
