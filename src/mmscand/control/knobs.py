"""What there is to know about a knob: all of it comes from the table in settings.py."""

from dataclasses import dataclass
from typing import Any

from mmscand.settings import Settings

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


@dataclass(frozen=True, slots=True)
class KnobInfo:
    """One row of the table."""

    name: str
    unit: str
    default: KnobValue
    description: str
    minimum: int | float | None = None
    above: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str, ...] = ()

    @property
    def bounds(self) -> str:
        """In words, as `0..100`."""
        if self.choices:
            return "|".join(self.choices)
        if self.maximum is None:
            return "on|off"
        low = f"{self.minimum}" if self.above is None else f">{self.above}"
        return f"{low}..{self.maximum}"


def knob_table() -> dict[str, KnobInfo]:
    """Every knob by its name, in the order of the table."""
    properties = Settings.model_json_schema()["properties"]
    return {name: _info(name, schema) for name, schema in properties.items()}


def _info(name: str, schema: dict[str, Any]) -> KnobInfo:
    return KnobInfo(
        name=name,
        unit=next((unit for end, unit in _UNITS.items() if name.endswith(end)), ""),
        default=schema["default"],
        description=schema["description"],
        minimum=schema.get("minimum"),
        above=schema.get("exclusiveMinimum"),
        maximum=schema.get("maximum"),
        choices=tuple(schema.get("enum", ())),
    )
