"""A wrong value in words, for people who write configurations and requests."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from mmscand.shown import quoted

_KINDS = {
    bool: "a truth value",
    str: "text",
    int: "a whole number",
    float: "a number with a point",
    dict: "a table",
    list: "a list",
    date: "a date",
    datetime: "a date",
    time: "a time",
}
_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "text",
}
"""By the first word of pydantic's error type."""
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
}


def expected(wanted: str, value: object) -> str:
    """Of a value of another kind."""
    return f"{quoted(value)} is {_KINDS.get(type(value), 'something else')}, give {wanted}"


def in_words(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors."""
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{quoted(value)} is not allowed, give {words} {context[name]}"
    if kind == "literal_error":
        return f"{quoted(value)} is not allowed, give {context['expected']}"
    if wanted := _WANTED.get(kind.partition("_")[0]):
        return expected(wanted, value)
    return str(error["msg"]).removeprefix("Value error, ")
