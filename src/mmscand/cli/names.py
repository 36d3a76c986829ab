"""Options that take several names or numbers, with commas between them."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from mmscand.errors import UsageError

_Number = TypeVar("_Number", int, float)


def names(text: str) -> list[str]:
    """Each name once, in order."""
    return list(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))


def known_names(what: str, text: str, known: Iterable[str]) -> Sequence[str]:
    """The names, all known ones where there are none; UsageError for one that is not known."""
    there_are = list(known)
    for name in names(text):
        require_known(what, name, there_are)
    return names(text) or there_are


def require_known(what: str, name: str, known: Iterable[str]) -> None:
    """UsageError when there is none of that name."""
    there_are = list(known)
    if name not in there_are:
        raise UsageError(f"no {what} {name!r}", hint=f"there are {', '.join(there_are)}")


def numbers(kind: type[_Number], what: str, text: str) -> list[_Number]:
    """Numbers above 0; UsageError for anything else, and for none."""
    try:
        found = [kind(name) for name in names(text)]
    except ValueError:
        found = []
    if not found or not all(0 < number < 1e6 for number in found):
        raise UsageError(f"{what}: {text!r} does not work", hint="numbers above 0, with commas")
    return found
