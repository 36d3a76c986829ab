"""Text that others chose (names of processes, paths, kernel text), made safe to show.

A name may hold a line feed, an escape sequence or bytes that are no UTF-8 (as lone surrogates, see
os.fsdecode). People get these as an escape, so that a name cannot forge a line or steer a terminal.
Programs get JSON, where only surrogates are in the way: they cannot be encoded.
"""

import json
import re
import reprlib
from datetime import date, datetime, time

_SURROGATE = re.compile("[\ud800-\udfff]")

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
"""Types of values, in words."""
_LONG = "a number of thousands of digits"
_WRITTEN_BITS = 14_000
"""Python writes numbers of up to 4300 digits (14 284 bits); reprlib of 3.14 says so in its way."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def quoted(value: object) -> str:
    """A value that was given, as in TOML or JSON for the most part, and cut where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int) and value.bit_length() > _WRITTEN_BITS:
        return _LONG
    try:
        return _SHORT.repr(value)
    except ValueError:  # one is in it
        return _LONG


def shown(text: str) -> str:
    """For people: all that does not print is escaped. Shown twice is shown once."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def encodable(text: str) -> str:
    """For programs: surrogates alone are escaped."""
    return _SURROGATE.sub(lambda found: _escaped(found[0]), text)


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON in ASCII, so that any standard output takes it, and with text that can be encoded."""
    text = json.dumps(value, indent=indent)
    if "\\ud" in text:  # seldom: outside the BMP, or a surrogate
        readable = json.dumps(value, ensure_ascii=False)
        # In JSON a backslash is two.
        valid = _SURROGATE.sub(lambda found: "\\" + _escaped(found[0]), readable)
        text = json.dumps(json.loads(valid), indent=indent)
    return text


def _escaped(letter: str) -> str:
    r"""As Python writes it; a byte that is no UTF-8 as \xff."""
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:
        return rf"\x{number - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


def expected(wanted: str, value: object) -> str:
    """What is wrong with a value of another kind, for people who write configurations."""
    return f"{quoted(value)} is {_KINDS.get(type(value), 'something else')}, give {wanted}"
