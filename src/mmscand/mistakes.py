"""A wrong value in words, for people who write configurations and requests."""

from datetime import date, datetime, time

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


def expected(wanted: str, value: object) -> str:
    """Of a value of another kind."""
    return f"{quoted(value)} is {_KINDS.get(type(value), 'something else')}, give {wanted}"
