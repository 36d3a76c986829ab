"""Knobs as the objects that answers have. Loads no numpy: `mmscand get --defaults` uses it too."""

from collections.abc import Iterable
from typing import Any

from mmscand.knobs import Knob
from mmscand.settings import KNOBS, Settings, values_of

Json = dict[str, Any]


def knobs_object(settings: Settings) -> Json:
    """All knobs, in the order of the table."""
    return {"knobs": [knob_object(knob, settings) for knob in KNOBS.values()]}


def knob_object(knob: Knob, settings: Settings) -> Json:
    """One knob with its value, and what is allowed."""
    minimum, maximum = knob.bounds or (None, None)
    return {
        "name": knob.name,
        "value": getattr(settings, knob.name),
        "unit": knob.unit,
        "default": knob.default,
        "minimum": minimum,
        "above": None,  # no knob has it; the description of the API does
        "maximum": maximum,
        "choices": list(knob.choices),
        "bounds": knob.allowed,
        "description": knob.description,
    }


def changes_object(
    before: Settings, after: Settings, asked: Iterable[str], clamped: Iterable[str] = ()
) -> Json:
    """Knobs that were asked for or have another value now."""
    old, asked = values_of(before), set(asked)
    values = {
        name: value
        for name, value in values_of(after).items()
        if name in asked or value != old[name]
    }
    return {"values": values, "clamped": list(clamped)}
