"""The API: routes and their descriptions. Each handler asks the daemon and returns its answer.

The handlers are functions, not coroutines, as a daemon that hangs is waited for: each runs in a
thread of FastAPI's pool, and the daemon answers one after the other.
"""

from functools import cache
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from mmscand.api.body_limit import BodyLimit
from mmscand.api.dashboard import dashboard_routes
from mmscand.api.guard import Guard, Rights
from mmscand.api.history import history_routes
from mmscand.api.kernel_metrics import KernelCounters
from mmscand.api.live import live_routes
from mmscand.api.looks import NOT_WATCHED, Pid, look_routes
from mmscand.api.metrics import Exporter
from mmscand.api.models import (
    Answer,
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
from mmscand.api.refusals import add_refusals
from mmscand.control.client import ControlClient
from mmscand.observe.groups import Groups

KnobName = Annotated[
    str, Path(max_length=64, description="Name of a knob, as GET /v1/knobs lists them.")
]


def _refusals(**why: str) -> dict[int | str, dict[str, Any]]:
    """Documented refusals: status code after an underscore, and when it is given."""
    return {int(code[1:]): {"model": Error, "description": text} for code, text in why.items()}


def create_app(
    daemon: ControlClient,
    version: str,
    rights: Rights | None = None,
    *,
    history: FilePath | None = None,
    groups: Groups | None = None,
) -> FastAPI:
    """The application, for any ASGI server; `rights` are those of clients over TCP.

    `groups` may get answers of the daemon from elsewhere too.
    """
    app = FastAPI(
        title="mmscand",
        version=version,
        summary="Status and control of the memory tiering daemon.",
        description="`curl --unix-socket /run/mmscand-api.sock http://localhost/v1/status`. A page "
        "is 4 KiB everywhere. Every refusal is an Error: one line of what, one of what to do.",
        openapi_tags=[
            {"name": "status", "description": "How things stand."},
            {"name": "knobs", "description": "Numbers that may be changed while it runs."},
            {"name": "metrics", "description": "For Prometheus."},
            {"name": "switch", "description": "On, off, and the configuration again."},
        ],
        # Their pages load scripts from the net, which a daemon's socket has no business with.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # served below, as bytes that are made once
        strict_content_type=False,  # it is against web pages: api.guard keeps these out
        redirect_slashes=False,  # DELETE /v1/knobs/ is a name forgotten, not a wish to reset all
        responses=_refusals(
            _401="Over TCP: no token, or a wrong one.",
            _403="Over TCP: another Host, another Origin, or a change where there is no token.",
            _503="There is no daemon, it hangs, or it has another version.",
        ),
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, rights=rights or Rights())
    add_refusals(app)
    description = cache(lambda: JSONResponse(app.openapi()).body)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(description(), media_type="application/json")

    app.include_router(_status_routes(daemon))
    app.include_router(history_routes(history))
    app.include_router(live_routes(daemon))
    app.include_router(look_routes(daemon))
    app.include_router(dashboard_routes())
    app.include_router(_knob_routes(daemon))
    app.include_router(_switch_routes(daemon))
    app.include_router(
        _metrics_routes(Exporter(daemon, groups or Groups(), KernelCounters(), version))
    )
    return app


def _status_routes(daemon: ControlClient) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["status"])

    @router.get("/status", operation_id="status", response_model=Status)
    def status() -> Answer:
        """The whole daemon."""
        return Status(**daemon.status())

    @router.get("/processes", operation_id="processes")
    def processes() -> Processes:
        """All processes that are watched."""
        return Processes(**daemon.processes())

    @router.get(
        "/processes/{pid}",
        operation_id="process",
        response_model=WatchedProcess,
        responses=NOT_WATCHED,
    )
    def process(pid: Pid) -> Answer:
        """One process."""
        return WatchedProcess(**daemon.process(pid))

    return router


def _knob_routes(daemon: ControlClient) -> APIRouter:
    router = APIRouter(prefix="/v1/knobs", tags=["knobs"])
    unknown = _refusals(_404="No knob has this name.", _422="No name is that long.")

    @router.get("", operation_id="knobs")
    def knobs() -> Knobs:
        """All knobs with values, bounds, defaults and reasons."""
        return Knobs(**daemon.knobs())

    @router.get("/{name}", operation_id="knob", responses=unknown)
    def knob(name: KnobName) -> Knob:
        """One knob."""
        return Knob(**daemon.knob(name))

    @router.patch(
        "",
        operation_id="set",
        responses=_refusals(
            _400="The body cannot be read.",
            _413="The body is larger than 64 KiB.",
            _422="Not allowed: nothing has changed.",
        ),
    )
    def change(wanted: WantedKnobs) -> Changes:
        """Change knobs, all together or none; they are in force when this answers."""
        return Changes(**daemon.change(wanted.root))

    @router.delete("", operation_id="reset", responses=_refusals(_422="Nothing has changed."))
    def reset(which: Annotated[WhichKnobs, Query()]) -> Changes:
        """Knobs back to the values of the configuration, all together or none."""
        return Changes(**daemon.reset(which.name))

    @router.delete(
        "/{name}",
        operation_id="reset_one",
        responses=unknown | _refusals(_422="Other knobs do not allow it: nothing has changed."),
    )
    def reset_one(name: KnobName) -> Changes:
        """One knob back to the value of the configuration."""
        return Changes(**daemon.reset([name]))

    return router


def _switch_routes(daemon: ControlClient) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["switch"])

    @router.post("/enable", operation_id="enable")
    def enable() -> Enabled:
        """Scan (again)."""
        return Enabled(**daemon.enable())

    @router.post("/disable", operation_id="disable")
    def disable() -> Enabled:
        """Scan no more, until enabled. What is on the migration list is still moved."""
        return Enabled(**daemon.disable())

    @router.post(
        "/reload",
        operation_id="reload",
        responses=_refusals(
            _409="It cannot be done now: nothing has changed.",
            _422="The configuration makes no sense: nothing has changed.",
        ),
    )
    def reload() -> Reloaded:
        """Read the configuration again. Knobs that were changed meanwhile stay, and are named."""
        return Reloaded(**daemon.reload())

    return router


def _metrics_routes(exporter: Exporter) -> APIRouter:
    router = APIRouter(tags=["metrics"])
    described: dict[int | str, dict[str, Any]] = {
        200: {"description": "All metrics.", "content": {"text/plain": {}}}
    }

    @router.get("/metrics", operation_id="metrics", response_class=Response, responses=described)
    def metrics(request: Request) -> Response:
        """OpenMetrics where `Accept` has it, else Prometheus' text. `mmscand_up` is 0 where no
        daemon answers.
        """
        text, kind = exporter.text(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": kind})

    return router
