"""What there is to know about a knob, and the check of a value."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmscand.errors import UsageError
from mmscand.shown import expected, quoted

KnobValue = bool | int | float | str

_UNITS = {
    "_mb_s": "MiB/s",
    "_mb": "MiB",
    "_ms": "ms",
    "_percent": "%",
    "_pages": "4K pages",
    "_passes": "passes",
    "_slots": "slots",
}
"""By the end of the name; a longer end comes first."""
_WANTED = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Knob:
    """One row of the table in settings.py."""

    kind: type
    """bool, int, float, or str for one of the choices."""
    default: KnobValue
    description: str
    bounds: tuple[float, float] | None = None
    """Least and most that is allowed, of a number."""
    choices: tuple[str, ...] = ()
    name: str = ""

    @property
    def unit(self) -> str:
        """Of value and bounds; '' for none."""
        return next((unit for end, unit in _UNITS.items() if self.name.endswith(end)), "")

    @property
    def allowed(self) -> str:
        """The bounds in words, as `0..100`."""
        if self.bounds is not None:
            return f"{self.bounds[0]}..{self.bounds[1]}"
        return "|".join(self.choices) or "on|off"

    def taken(self, value: object) -> KnobValue:
        """The value, of the knob's type; UsageError says why it is not allowed."""
        if self.choices:
            return self._one_of_the_choices(value)
        number: Any = value
        fits = isinstance(value, int | float) if self.kind is float else type(value) is self.kind
        if not fits or (self.kind is not bool and isinstance(value, bool)):
            raise UsageError(f"{self.name}: {expected(_WANTED[self.kind], value)}", hint=_HINT)
        self._require_bounds(number)
        return float(number) if self.kind is float else number

    def _require_bounds(self, number: float) -> None:
        if self.bounds is None:
            return
        low, high = self.bounds
        if not number <= high:  # also a NaN
            raise self._not_allowed(number, f"at most {high}")
        if number < low:
            raise self._not_allowed(number, f"at least {low}")

    def _one_of_the_choices(self, value: object) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        *most, last = map(repr, self.choices)
        raise self._not_allowed(value, f"{', '.join(most)} or {last}")

    def _not_allowed(self, value: object, allowed: str) -> UsageError:
        words = f"{self.name}: {quoted(value)} is not allowed, give {allowed}"
        return UsageError(words, hint=_HINT)


_HINT = "`mmscand get --defaults` lists all bounds"


def _row(knob: Knob) -> Any:  # noqa: ANN401 - as dataclasses.field, which this is
    return field(default=knob.default, metadata={"knob": knob})


def truth(default: bool, description: str) -> Any:  # noqa: ANN401
    """A field of a dataclass: on or off."""
    return _row(Knob(bool, default, description))


def whole(default: int, bounds: tuple[int, int], description: str) -> Any:  # noqa: ANN401
    """A field of a dataclass: a whole number."""
    return _row(Knob(int, default, description, bounds))


def number(default: float, bounds: tuple[float, float], description: str) -> Any:  # noqa: ANN401
    """A field of a dataclass: a number that may have a fraction."""
    return _row(Knob(float, default, description, bounds))


def choice(default: str, choices: Sequence[str], description: str) -> Any:  # noqa: ANN401
    """A field of a dataclass: one of a few words."""
    return _row(Knob(str, default, description, choices=tuple(choices)))
