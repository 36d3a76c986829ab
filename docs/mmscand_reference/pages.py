"""All pages that are made from the code."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mmscand_reference.api import api, metrics
from mmscand_reference.commands import commands, exit_codes
from mmscand_reference.fields import events, field_tables
from mmscand_reference.settings import knobs, rules

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
_MADE = "<!-- Made by script/reference from the tables in the code. Change those instead. -->\n\n"
_PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "api.md": api,
    "commands.md": commands,
    "events.md": events,
    "exit-codes.md": exit_codes,
    "fields.md": field_tables,
    "knobs.md": knobs,
    "metrics.md": metrics,
    "rules.md": rules,
}


def pages() -> Mapping[str, str]:
    """The text of each page, by its file name."""
    return {name: _MADE + "\n".join(lines()).rstrip() + "\n" for name, lines in _PAGES.items()}
