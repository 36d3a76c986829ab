"""NAME=VALUE of knobs, as the command line has them."""

from collections.abc import Callable, Iterable
from typing import Any

from mmscand.config_file import Found
from mmscand.errors import UsageError
from mmscand.settings import KNOBS, require_knobs
from mmscand.shown import quoted

_TRUTH = {"1": True, "0": False} | dict.fromkeys(("true", "on", "yes"), True)
_TRUTH |= dict.fromkeys(("false", "off", "no"), False)
_PARSERS: dict[type, tuple[str, Callable[[str], object]]] = {
    bool: ("on or off", lambda text: _TRUTH[text.lower()]),
    int: ("a whole number", int),
    float: ("a number", float),
    str: ("a word", str),
}
"""By the type of a knob: what it wants, in words, and how a text becomes it."""


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Knobs and values of many NAME=VALUE; of a knob that is named twice the last one.

    UsageError has all mistakes.
    """
    found, values = Found(), dict[str, Any]()
    for text in texts:
        with found.caught():
            name, value = parse_assignment(text)
            values[name] = value
    found.end()
    return values


def parse_assignment(text: str) -> tuple[str, Any]:
    """A knob and its value, of the knob's type; UsageError when it is not NAME=VALUE."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(f"{quoted(text)} is not NAME=VALUE", hint="say it like scan_period_ms=500")
    require_knobs([name])
    wants, parse = _PARSERS[KNOBS[name].kind]
    try:
        return name, parse(value)
    except (KeyError, ValueError):
        raise UsageError(f"{name}: {quoted(value)} is not {wants}") from None
