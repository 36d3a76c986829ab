"""GET routes for who looks closer: heat of one process, why its memory is where it is, the log."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from mmscand.api.models import Answer, Error, WatchedProcess
from mmscand.control.client import ControlClient

MAX_PID = 1 << 22
"""PID_MAX_LIMIT, include/linux/threads.h."""
_LAST_NUMBER = (1 << 53) - 1
"""Larger ones are not exact in JavaScript."""

Pid = Annotated[int, Path(ge=1, le=MAX_PID, description="Process id.")]
NOT_WATCHED: dict[int | str, dict[str, Any]] = {
    404: {"model": Error, "description": "It is not watched."},
    422: {"model": Error, "description": "That is no process id."},
}


class HeatMapping(Answer):
    """A mapping with memory in it."""

    name: str = Field(description="As in /proc/PID/maps; may be empty.")
    start: int = Field(description="Address.")
    end: int = Field(description="Address behind it.")


class HeatPiece(Answer):
    """A piece of memory, of whole 2 MiB."""

    mapping: int | None = Field(description="Place in `mappings`; null where none is there now.")
    start: int = Field(description="Address.")
    end: int = Field(description="Address behind it.")
    heat: float | None = Field(
        description="Mean of the pages whose heat is known, in `unit`; null where nothing is known."
    )
    told_pages: int = Field(description="4 KiB pages of which the heat is known.")
    slow_pages: int = Field(description="4 KiB pages on the slow tier.")
    fast_pages: int = Field(description="4 KiB pages on the fast tier.")


class Heat(Answer):
    """How hot the memory of one process is, in at most 256 pieces."""

    pid: int = Field(description="Process id.")
    name: str = Field(description="As in /proc/PID/comm, at most 15 characters.")
    unit: str = Field(description="rate: accesses a second; passes: of the last six passes.")
    mappings: list[HeatMapping] = Field(description="Those that have a piece, by address.")
    pieces: list[HeatPiece] = Field(description="By address.")


class WhyMapping(Answer):
    """One mapping; 4 KiB pages."""

    name: str = Field(description="As in /proc/PID/maps; may be empty.")
    start: int = Field(description="Address.")
    end: int = Field(description="Address behind it.")
    rule: str | None = Field(description="The rule that leaves it out; null where none does.")
    fast: int = Field(description="Pages on the fast tier.")
    slow: dict[str, int] = Field(
        description="Pages on the slow tier by what keeps them there; all as '' where the policy "
        "knows no rates."
    )


class Why(Answer):
    """Why the memory of a process is where it is."""

    process: WatchedProcess = Field(  # type: ignore[valid-type]
        description="As /v1/processes/{pid} has it."
    )
    has_rates: bool = Field(description="Whether the policy knows rates; else sizes alone.")
    edge: float | None = Field(
        description="Accesses a second from which on pages have a place on the fast tier."
    )
    mappings: list[WhyMapping] = Field(description="By address.")


class LogEvent(Answer):
    """Something that happened."""

    number: int = Field(description="1 is the first since the daemon was started.")
    time: float = Field(description="Unix time in seconds.")
    event: str = Field(description="Name of the event.")
    words: str = Field(description="A sentence.")


class Log(Answer):
    """What happened lately."""

    events: list[LogEvent] = Field(description="At most the latest 500, in order.")


def look_routes(daemon: ControlClient) -> APIRouter:
    """Each asks the daemon one thing."""
    router = APIRouter(prefix="/v1", tags=["status"])

    @router.get("/heat/{pid}", operation_id="heat", responses=NOT_WATCHED)
    def heat(pid: Pid) -> Heat:
        """How hot the memory of a process is, piece by piece."""
        return Heat(**daemon.heat(pid))

    @router.get("/why/{pid}", operation_id="why", responses=NOT_WATCHED)
    def why(pid: Pid) -> Why:
        """Why the memory of a process is where it is, mapping by mapping."""
        found = daemon.why(pid)
        return Why(**{name: found[name] for name in Why.model_fields})

    @router.get(
        "/log",
        operation_id="log",
        responses={422: {"model": Error, "description": "That is no number of an event."}},
    )
    def log(
        since: Annotated[
            int, Query(ge=0, le=_LAST_NUMBER, description="Number of the last event you have.")
        ] = 0,
    ) -> Log:
        """Events after a number, as far as they are kept; /v1/events streams the next ones."""
        return Log(**daemon.events(since))

    return router
