"""Reference pages from the tables in the code: `script/reference` writes docs/reference/."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmscand.observe.counters import COUNTERS
from mmscand.observe.fields import Field, fields_of
from mmscand.observe.status import BudgetStatus, DaemonStatus, ProcessStatus
from mmscand.reasons import FAILED, HOT, REASONS

REFERENCE = Path(__file__).parent / "reference"
_MADE = "<!-- Made by script/reference from the tables in the code. Change those instead. -->\n\n"


def pages() -> Mapping[str, str]:
    """The text of each page, by its file name."""
    return {"fields.md": _MADE + "\n".join(_fields()) + "\n"}


def _fields() -> Iterator[str]:
    yield "# Fields\n"
    yield (
        "What `mmscand status --json`, `mmscand ps --json` and the HTTP API have. A page is 4 KiB, "
        "also of a huge page. A *gauge* goes up and down, a *counter* is a sum.\n"
    )
    yield from _table("The daemon: `status`", fields_of(DaemonStatus))
    yield from _table("The CPU budget: `budget`", fields_of(BudgetStatus))
    yield from _table("A process: `ps`", fields_of(ProcessStatus))
    yield from _table("Counters: `counters` and `minute`", COUNTERS)
    yield (
        f"`{FAILED}X` are pages that did not move, X the errno of move_pages(2). "
        f"`{FAILED}ELSEWHERE`: on neither their source nor their target.\n"
    )
    yield "## What keeps pages slow: `slow_by_reason`\n"
    yield "| reason | hot | meaning |\n|---|---|---|"
    for reason, words in REASONS.items():
        yield f"| `{reason}` | {'yes' if reason in HOT else ''} | {words} |"


def _table(title: str, fields: Mapping[str, Field]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| field | kind | unit | meaning |\n|---|---|---|---|"
    for name, field in fields.items():
        yield f"| `{name}` | {field.kind} | {field.unit} | {field.help} |"
    yield ""


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
