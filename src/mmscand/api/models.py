"""What goes over HTTP: one model for each answer, every field with what it means.

A page is 4 KiB everywhere, also when it is part of a huge page.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from mmscand.knobs import Knob as KnobInfo
from mmscand.knobs import KnobValue
from mmscand.observe.fields import fields_of
from mmscand.observe.status import BudgetStatus, DaemonStatus, ProcessStatus
from mmscand.settings import KNOBS


class Answer(BaseModel):
    """Base of all answers: frozen, and nothing but what is described."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Error(Answer):
    """Why a request was refused."""

    error: str = Field(description="What is wrong, in one line.")
    hint: str = Field(description="What to do about it; may be empty.")


def _answer(name: str, cls: type, base: type[Answer] = Answer) -> type[Answer]:
    """The model of a snapshot, from the table of fields (observe.fields)."""
    fields: dict[str, Any] = {
        each.name: (
            _MODELS.get(each.type, each.type),
            Field(description=each.help, json_schema_extra={"x-unit": each.unit}),
        )
        for each in fields_of(cls).values()
    }
    return create_model(name, __base__=base, __doc__=cls.__doc__, **fields)


_MODELS: dict[Any, Any] = {}
"""By the type of a field: the model of what is inside it."""
Budget = _answer("Budget", BudgetStatus)
_MODELS[BudgetStatus | None] = Budget | None


class NotWatched(Answer):
    """A process that was chosen and is not watched."""

    pid: int = Field(description="Process id.")
    name: str = Field(description="As in /proc/PID/comm, at most 15 characters.")
    why: str = Field(description="The reason, in words.")


class _Daemon(Answer):
    version: str = Field(description="Version of mmscand.")
    processes: int = Field(description="Processes that are watched now.")
    left_alone: int = Field(description="Processes that were chosen and are not watched.")


class _Process(Answer):
    pid: int = Field(description="Process id.")
    start_time: int = Field(
        description="When it started, in clock ticks after boot: distinguishes reused pids."
    )
    name: str = Field(description="As in /proc/PID/comm, at most 15 characters.")


Status = _answer("Status", DaemonStatus, _Daemon)
WatchedProcess = _answer("WatchedProcess", ProcessStatus, _Process)


class Processes(Answer):
    """All processes that are watched."""

    processes: list[WatchedProcess] = Field(  # type: ignore[valid-type]
        description="In ascending order of pid."
    )
    left_alone: list[NotWatched] = Field(
        description="Processes that were chosen and are not watched, in ascending order of pid."
    )
    budget: Budget | None = Field(  # type: ignore[valid-type]
        description="CPU time; null where nothing runs."
    )


class Knob(Answer):
    """One knob: its value now, and what it may be."""

    name: str = Field(description="The unit is part of it.")
    value: KnobValue = Field(description="In force now.")
    unit: str = Field(description="Unit of value, default and bounds; may be empty.")
    default: KnobValue = Field(description="Where nobody sets anything.")
    minimum: int | float | None = Field(
        description="Least that is allowed; null when there is none."
    )
    above: int | float | None = Field(description="Values must be more than this; mostly null.")
    maximum: int | float | None = Field(
        description="Most that is allowed; null when there is none."
    )
    choices: list[str] = Field(description="All that is allowed, for a knob of words.")
    bounds: str = Field(description="The last four in words.")
    description: str = Field(description="What it does, and the reason for its default.")


class Knobs(Answer):
    """All knobs."""

    knobs: list[Knob] = Field(description="In the order of the table in settings.py.")


class Changes(Answer):
    """What a change of knobs led to; it is in force."""

    values: dict[str, KnobValue] = Field(
        description="Knobs that were asked for or have another value now, with their values."
    )
    clamped: list[str] = Field(
        description="What was asked for and given otherwise, in words, with the limits."
    )


class Enabled(Answer):
    """Whether the daemon scans now."""

    enabled: bool = Field(description="True after enable, false after disable.")


class Reloaded(Answer):
    """The configuration was read again and is in force."""

    changed: list[str] = Field(
        description="What differs from before, and which knobs stay as they were set at run time "
        "though the configuration says otherwise, in words; may be empty."
    )


_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _schema_of(knob: KnobInfo) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES[knob.kind], "description": knob.description}
    if knob.bounds is not None:
        schema["minimum"], schema["maximum"] = knob.bounds
    if knob.choices:
        schema["enum"] = list(knob.choices)
    return schema


def _each_knob(schema: dict[str, Any]) -> None:
    schema["properties"] = {name: _schema_of(knob) for name, knob in KNOBS.items()}
    schema["additionalProperties"] = False


class WantedKnobs(RootModel[dict[str, Any]]):
    """Knobs to change; those that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra=_each_knob)


class WhichKnobs(Answer):
    """Query of a reset. A misspelled parameter is refused: it would reset everything."""

    name: list[str] = Field([], max_length=100, description="Repeated; all knobs if left out.")
