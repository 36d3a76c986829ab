"""How the API says no: one shape, whatever went wrong and wherever."""

import re
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mmscand.api.models import Error
from mmscand.control.wire import Bug, NotThere, Refused
from mmscand.errors import MmscandError, UsageError
from mmscand.shown import expected, quoted

_STATUS_CODES: dict[type[MmscandError], int] = {
    NotThere: 404,
    UsageError: 422,
    Refused: 409,
    Bug: 500,
}
"""The first that an error is an instance of counts."""
_NO_DAEMON = 503
"""Nothing came from a daemon: there is none, it hangs, or it has another version."""


def add_refusals(app: FastAPI) -> None:
    """Answer every exception with an Error."""

    @app.exception_handler(MmscandError)
    async def refused(request: Request, error: MmscandError) -> JSONResponse:
        return refusal(_status_of(error), error.message, error.hint)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        mistakes = [_in_words(each) for each in error.errors()]
        return refusal(422, "; ".join(words for words, _ in mistakes), mistakes[0][1])

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        path = f"{request.method} {request.url.path}"
        hint = "/openapi.json describes what there is"
        headers = _allow(app, request.url.path) if error.status_code == 405 else error.headers
        return refusal(error.status_code, f"{path}: {error.detail}", hint, headers)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        return refusal(500, f"{type(error).__name__}: {error}", "please report it")


def _allow(app: FastAPI, path: str) -> dict[str, str]:
    """All methods of a path by the description; Starlette names those of one route that has it."""
    methods = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
        for method in operations
    }
    return {"Allow": ", ".join(sorted(methods) or ["GET"])}  # the description itself


def _status_of(error: MmscandError) -> int:
    kinds = (code for kind, code in _STATUS_CODES.items() if isinstance(error, kind))
    return next(kinds, _NO_DAEMON)


def _in_words(error: Mapping[str, object]) -> tuple[str, str]:
    """A line and a hint for one of pydantic's errors."""
    place = error["loc"]
    assert isinstance(place, tuple)
    name = ".".join(str(part) for part in place[1:])
    if error["type"] == "json_invalid":
        return "the body is no JSON", "send a JSON object"
    if not name:  # the body as a whole
        return f"{error['msg']}", "send a JSON object, with Content-Type: application/json"
    return f"{name}: {_of_value(error)}", "/openapi.json describes what is allowed"


def _of_value(error: Mapping[str, object]) -> str:
    if error["type"] == "int_parsing":
        return expected("a whole number", error["input"])
    return f"{quoted(error['input'])}: {error['msg']}"


def refusal(
    status: int, error: str, hint: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer that says no."""
    return JSONResponse(Error(error=error, hint=hint).model_dump(), status, headers)
