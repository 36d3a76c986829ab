"""What goes over HTTP: one model for each answer, every field with what it means.

A page is 4 KiB everywhere, also when it is part of a huge page.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from mmscand.knobs import Knob as KnobInfo
from mmscand.knobs import KnobValue
from mmscand.settings import KNOBS

_SEVEN_NUMBERS = (
    "Seven numbers for each node: 4 KiB pages that were accessed in 0, 1, ... 6 of the last six "
    "observations. Without pages that other processes map too; of fast nodes by policy capacity."
)


class Answer(BaseModel):
    """Base of all answers: frozen, and nothing but what is described."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Error(Answer):
    """Why a request was refused."""

    error: str = Field(description="What is wrong, in one line.")
    hint: str = Field(description="What to do about it; may be empty.")


class Budget(Answer):
    """CPU time of the scanner, in percent of one core and in seconds."""

    limit_percent: float = Field(
        description="Average over ten minutes that is allowed: cpu_budget_percent, and what "
        "promoting has earned."
    )
    earned_percent: float = Field(description="The part of it that promoting has earned.")
    used_percent: float = Field(
        description="Average of the last ten minutes, without the burst of the start."
    )
    burst_left_s: float = Field(
        description="CPU seconds that a large new process, or one that has changed, may use at "
        "full speed."
    )
    waiting: int = Field(description="Processes that are due and wait for the budget.")
    round_s: float | None = Field(
        description="Seconds until each process was visited once, at the rate of now; null where "
        "nobody waits."
    )


class NotWatched(Answer):
    """A process that was chosen and is not watched."""

    pid: int = Field(description="Process id.")
    name: str = Field(description="As in /proc/PID/comm, at most 15 characters.")
    why: str = Field(description="The reason, in words.")


class Status(Answer):
    """The whole daemon."""

    version: str = Field(description="Version of mmscand.")
    pid: int = Field(description="Process id of the daemon.")
    enabled: bool = Field(description="Whether it scans; what is queued is moved either way.")
    running: bool = Field(description="Whether its threads are there.")
    processes: int = Field(description="Processes that are watched now.")
    queued_slots: int = Field(description="Slots on the migration list; a huge page is one slot.")
    hotness: Mapping[int, list[int]] = Field(
        description="How hot the pages of all watched processes are. " + _SEVEN_NUMBERS
    )
    skipped_mappings: Mapping[str, int] = Field(
        description="Mappings of all watched processes that the last look left out, by rule."
    )
    skipped_pages: Mapping[str, int] = Field(
        description="4 KiB pages of address space in these, with or without memory behind them."
    )
    counters: Mapping[str, int] = Field(
        description="Sums since the start by name, also over processes that have left. Pages are "
        "4 KiB pages."
    )
    cpu_seconds: Mapping[str, float] = Field(
        description="CPU time in seconds since the start: scanning, aging, moving."
    )
    credit_percent: int | None = Field(
        description="Policy capacity: pages that may still be promoted before moves have brought "
        "in what they cost, in percent of those that fit the fast tier. 100 at the start, 200 at "
        "most; at 0 nothing is moved until it pays again. Null where nothing was planned yet."
    )
    budget: Budget | None = Field(description="CPU time; null where nothing runs.")


class WatchedProcess(Answer):
    """One process that is watched."""

    pid: int = Field(description="Process id.")
    start_time: int = Field(
        description="When it started, in clock ticks after boot: tells reused pids apart."
    )
    name: str = Field(description="As in /proc/PID/comm, at most 15 characters.")
    passes: int = Field(description="Passes since it was taken up, or since its last execve.")
    aggressiveness: int = Field(description="0..10: 0 never scans, 5 is usual, 10 scans most.")
    rule: str = Field(description="The rule that says so; 'default' when none does.")
    scan_period_ms: int = Field(description="Time between two passes in force, in milliseconds.")
    exposure_ms: int | None = Field(
        description="Policy capacity: time from one clearing of Accessed bits to the next; null is "
        "from each pass to the next."
    )
    changes: int = Field(
        description="Policy capacity: how often other pages were found to be hot than before; "
        "what was known counts for less then."
    )
    scan_size_mb: int = Field(description="Memory examined in one pass in force, in MiB.")
    cursor: int = Field(description="Address at which the next pass goes on; 0 is the start.")
    aging: str = Field(
        description="What is aged in bulk by MGLRU beside MADV_COLD, or why nothing is."
    )
    target_node: int | None = Field(
        description="Node that its pages are promoted to at the moment; null when there is none."
    )
    useful_pages: int = Field(description="Hot 4 KiB pages of the last passes, with decay.")
    failed_percent: int = Field(description="Share of its moves that failed lately, in percent.")
    effort: str = Field(
        description="full, or slowed or stopped when promoting does not pay for it."
    )
    effort_why: str = Field(description="The figures behind that; empty when there is no reason.")
    saved_s: float = Field(
        description="Time that promoting saved it, in seconds: an estimate by a sample of the "
        "promoted pages."
    )
    spent_s: float = Field(description="CPU time of scanning it and moving its pages, in seconds.")
    hotness: Mapping[int, list[int]] = Field(description="How hot its pages are. " + _SEVEN_NUMBERS)
    skipped_mappings: Mapping[str, int] = Field(
        description="Mappings that the last look left out, by the rule that says so."
    )
    skipped_pages: Mapping[str, int] = Field(
        description="4 KiB pages of address space in these, with or without memory behind them."
    )
    counters: Mapping[str, int] = Field(
        description="Sums since it was taken up, by name. Pages are 4 KiB pages."
    )


class Processes(Answer):
    """All processes that are watched."""

    processes: list[WatchedProcess] = Field(description="In ascending order of pid.")
    left_alone: list[NotWatched] = Field(
        description="Processes that were chosen and are not watched, in ascending order of pid."
    )
    budget: Budget | None = Field(description="CPU time; null where nothing runs.")


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
        description="What differs from before, and which knobs stay as they were set by hand "
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
