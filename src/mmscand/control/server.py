"""The API: routes and their descriptions. Loads FastAPI, so only who serves imports this.

All handlers are coroutines: they run one after the other in the API's one thread, so changes
never overlap, and no pool of threads costs memory.
"""

import os
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query

from mmscand.control.body_limit import BodyLimit
from mmscand.control.controlled import Controlled
from mmscand.control.models import (
    Changes,
    Enabled,
    Error,
    Knob,
    Knobs,
    Processes,
    Reloaded,
    Status,
    WantedKnobs,
    WatchedProcess,
    WhichKnobs,
)
from mmscand.control.refusals import NotThere, add_refusals
from mmscand.errors import UsageError
from mmscand.observe.status import DaemonStatus
from mmscand.settings import KNOBS, Settings, require_knobs, values_of
from mmscand.shown import shown

_MAX_PID = 1 << 22
"""PID_MAX_LIMIT, include/linux/threads.h."""

Pid = Annotated[int, Path(ge=1, le=_MAX_PID, description="Process id.")]
KnobName = Annotated[
    str, Path(max_length=64, description="Name of a knob, as GET /v1/knobs lists them.")
]


def _refusals(**why: str) -> dict[int | str, dict[str, Any]]:
    """Documented refusals: status code after an underscore, and when it is given."""
    return {int(code[1:]): {"model": Error, "description": text} for code, text in why.items()}


def create_app(controlled: Controlled, version: str) -> FastAPI:
    """The application, for any ASGI server."""
    app = FastAPI(
        title="mmscand",
        version=version,
        summary="Status and control of the memory tiering daemon.",
        description="`curl --unix-socket /run/mmscand.sock http://localhost/v1/status`. A page is "
        "4 KiB everywhere. Every refusal is an Error: one line of what, one of what to do.",
        openapi_tags=[
            {"name": "status", "description": "How things stand."},
            {"name": "knobs", "description": "Numbers that may be changed while it runs."},
            {"name": "switch", "description": "On, off, and the configuration again."},
        ],
        # Their pages load scripts from the net, which a daemon's socket has no business with.
        docs_url=None,
        redoc_url=None,
        strict_content_type=False,  # it is against web pages, which cannot reach a unix socket
        redirect_slashes=False,  # DELETE /v1/knobs/ is a name forgotten, not a wish to reset all
    )
    app.add_middleware(BodyLimit)
    add_refusals(app)
    app.include_router(_status_routes(controlled, version))
    app.include_router(_knob_routes(controlled))
    app.include_router(_switch_routes(controlled))
    return app


def _status_routes(controlled: Controlled, version: str) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["status"])

    @router.get("/status", operation_id="status")
    async def status() -> Status:
        """The whole daemon."""
        return Status.of(controlled.status(), version)

    @router.get("/processes", operation_id="processes")
    async def processes() -> Processes:
        """All processes that are watched."""
        return Processes.of(controlled.status())

    @router.get(
        "/processes/{pid}",
        operation_id="process",
        responses=_refusals(_404="It is not watched.", _422="That is no process id."),
    )
    async def process(pid: Pid) -> WatchedProcess:
        """One process."""
        status = controlled.status()
        for each in status.processes:
            if each.process.pid == pid:
                return WatchedProcess.of(each)
        message, hint = _why_not(pid, status)
        raise NotThere(message, hint=hint)

    return router


def _why_not(pid: int, status: DaemonStatus) -> tuple[str, str]:
    """Why a process is not watched, and what to do about it."""
    reasons = (why for process, why in status.left_alone.items() if process.pid == pid)
    if why := next(reasons, ""):
        return f"process {pid} is not watched: {shown(why)}", ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return f"there is no process {pid}", "`mmscand ps` lists those that are watched"
    except OSError:
        pass  # there is one, of another user
    hint = (
        "it is a kernel thread, is not meant by --pid or --match, came a moment ago, or a security "
        "module keeps it from us"
    )
    return f"process {pid} is not watched", hint


def _knob_routes(controlled: Controlled) -> APIRouter:
    router = APIRouter(prefix="/v1/knobs", tags=["knobs"])
    store, table = controlled.settings, KNOBS
    unknown = _refusals(_404="No knob has this name.", _422="No name is that long.")

    @router.get("", operation_id="knobs")
    async def knobs() -> Knobs:
        """All knobs with values, bounds, defaults and reasons."""
        return Knobs.of(table, store.current)

    @router.get("/{name}", operation_id="knob", responses=unknown)
    async def knob(name: KnobName) -> Knob:
        """One knob."""
        _require(name)
        return Knob.of(table[name], store.current)

    @router.patch(
        "",
        operation_id="set",
        responses=_refusals(
            _400="The body cannot be read.",
            _413="The body is larger than 64 KiB.",
            _422="Not allowed: nothing has changed.",
        ),
    )
    async def change(wanted: WantedKnobs) -> Changes:
        """Change knobs, all together or none; they are in force when this answers."""
        values, before = wanted.root, store.current
        done = store.change(values)
        return _changes(before, done.settings, values, done.clamped)

    @router.delete("", operation_id="reset", responses=_refusals(_422="Nothing has changed."))
    async def reset(which: Annotated[WhichKnobs, Query()]) -> Changes:
        """Knobs back to the values of the configuration, all together or none."""
        before = store.current
        return _changes(before, store.reset(which.name), which.name or table)

    @router.delete(
        "/{name}",
        operation_id="reset_one",
        responses=unknown | _refusals(_422="Other knobs do not allow it: nothing has changed."),
    )
    async def reset_one(name: KnobName) -> Changes:
        """One knob back to the value of the configuration."""
        _require(name)
        before = store.current
        return _changes(before, store.reset([name]), [name])

    return router


def _require(name: str) -> None:
    try:
        require_knobs([name])
    except UsageError as error:
        raise NotThere(error.message, hint=error.hint) from None


def _changes(
    before: Settings, after: Settings, asked: Iterable[str], clamped: Iterable[str] = ()
) -> Changes:
    old, new, asked = values_of(before), values_of(after), set(asked)
    values = {name: value for name, value in new.items() if name in asked or value != old[name]}
    return Changes(values=values, clamped=list(clamped))


def _switch_routes(controlled: Controlled) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["switch"])

    @router.post("/enable", operation_id="enable")
    async def enable() -> Enabled:
        """Scan (again)."""
        controlled.enable()
        return Enabled(enabled=True)

    @router.post("/disable", operation_id="disable")
    async def disable() -> Enabled:
        """Scan no more, until enabled. What is on the migration list is still moved."""
        controlled.disable()
        return Enabled(enabled=False)

    @router.post(
        "/reload",
        operation_id="reload",
        responses=_refusals(
            _409="It cannot be done now: nothing has changed.",
            _422="The configuration makes no sense: nothing has changed.",
        ),
    )
    async def reload() -> Reloaded:
        """Read the configuration again. Knobs that were changed meanwhile stay, and are named."""
        return Reloaded(changed=controlled.reload())

    return router
