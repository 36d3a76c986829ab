"""What there is to know about a field of a snapshot or an event: unit, kind and help, once.

A field is described where it is defined, by `Annotated[int, counter("Pages that ...", "pages")]`.
The API description, the metrics, the terminal and the reference page read it from there, so that a
new counter is one line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args, get_type_hints

GAUGE, COUNTER, TEXT = "gauge", "counter", "text"
"""Kinds of fields: a number that rises and falls, a sum since the start, and words."""


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table."""

    help: str
    """A sentence or two."""
    unit: str
    """`pages` are of 4 KiB; '' for numbers without a unit, and for words."""
    kind: str
    name: str = ""
    type: Any = None
    """As it is declared, without this description."""
    key: str = ""
    """Of a mapping: what its keys are, and what is inside, as `tier state`; labels of a metric."""


def gauge(help: str, unit: str = "", *, key: str = "") -> Field:
    """A number that rises and falls."""
    return Field(help, unit, GAUGE, key=key)


def counter(help: str, unit: str = "pages", *, key: str = "") -> Field:
    """A sum since the start of the daemon, or since a process was taken up."""
    return Field(help, unit, COUNTER, key=key)


def text(help: str) -> Field:
    """Words, a switch, or a structure."""
    return Field(help, "", TEXT)


@cache
def fields_of(cls: type) -> Mapping[str, Field]:
    """The described fields of a dataclass, in order; the others are not shown."""
    found = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        declared, *about = get_args(hint) or (hint,)
        if about and isinstance(about[0], Field):
            found[name] = replace(about[0], name=name, type=declared)
    return found
