"""Patterns that people write for names and cgroups, in forms that match in bounded time.

A match runs in the scanner's thread, and any user may choose the text that it runs over.
"""

import importlib
import math
import re
import warnings
from collections.abc import Iterable
from typing import Any

from mmscand.errors import UsageError

LONGEST_NAME = 64
"""Characters that are looked at of a program's name, where it is longer than the kernel's 15."""
_MOST_WAYS = math.log(1e6)
"""Ways that a search may try on a name: 80 ms at most. Three * in a row are 274 625."""
_PART_BEGIN = r"/(?=[^/])"
_PART_END = r"(?=/|\Z)"
_parser: Any = importlib.import_module("re._parser")
"""Python's own parser: the only way to judge a pattern before it runs."""


def name_pattern(text: str) -> re.Pattern[str]:
    """A Python regular expression; UsageError when it is none, or may take forever."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of brackets that later versions may want
            pattern = re.compile(text)
            ways = _ways(_parser.parse(text))
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no Python regular expression", hint=str(error) or "it is too deep"
        ) from None
    if ways > _MOST_WAYS:
        raise UsageError(
            f"{text!r} may take forever",
            hint="use fewer of * + ? {} |, none inside another, or write a rule for each name",
        )
    return pattern


def shortest_match(pattern: re.Pattern[str]) -> int:
    """Characters that a name must have at least."""
    return int(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE).getwidth()[0])


def _ways(tree: Iterable[tuple[Any, Any]]) -> float:
    """Logarithm of the number of ways that a match may try on any name, at most."""
    return sum(_ways_of(str(kind), value) for kind, value in tree)


def _ways_of(kind: str, value: Any) -> float:  # noqa: ANN401 - of each kind another
    match kind:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, inner = value
            most = min(int(high), LONGEST_NAME // max(1, int(inner.getwidth()[0])))
            return math.log(max(1, most - int(low) + 1)) + float(most) * _ways(inner)
        case "BRANCH":
            return math.log(len(value[1])) + max(map(_ways, value[1]))
        case "SUBPATTERN" | "ASSERT" | "ASSERT_NOT":
            return _ways(value[-1])
        case "ATOMIC_GROUP":
            return _ways(value)
        case "GROUPREF_EXISTS":
            return math.log(2) + max(_ways(each) for each in value[1:] if each is not None)
    return 0.0


def path_parts(path: str) -> list[str]:
    """The parts of a path, without empty ones."""
    return [part for part in path.split("/") if part]


def path_pattern(path: str) -> re.Pattern[str]:
    """For cgroups; ends at a `/` or at the end, so that /a does not take in /ab.

    A star never gives back characters (`(?>...)`). The text after it is found at the first place
    that has it, so no other choice could match more.
    """
    runs: list[str] = [""]
    for part in path_parts(path):
        if part == "**":
            runs.append("")
        else:
            runs[-1] += _part_pattern(part)
    first, *others = runs
    return re.compile(
        first + "".join(rf"(?>(?:/[^/]++)*?{run})" for run in others) + r"(?:/|\Z)", re.DOTALL
    )


def _part_pattern(part: str) -> str:
    first, *others = (_literal(chunk) for chunk in re.split(r"\*+", part))
    if not others:
        return f"/{first}{_PART_END}"
    *middle, last = others
    found = "".join(f"(?>[^/]*?{chunk})" for chunk in middle)
    return f"{_PART_BEGIN}{first}{found}(?>[^/]*{last}{_PART_END})"


def _literal(chunk: str) -> str:
    return "".join("[^/]" if letter == "?" else re.escape(letter) for letter in chunk)
