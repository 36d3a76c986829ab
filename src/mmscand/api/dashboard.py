"""The dashboard: three files of this package, and headers that let the page do little.

Names that it shows are chosen by others. It may load nothing from elsewhere, runs no script but its
own file, is in no frame, and asks by GET only.
"""

from importlib.resources import files

from fastapi import APIRouter, Request, Response

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # of another version after an update
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_KINDS = {
    "/": ("dashboard.html", "text/html"),
    "/dashboard.css": ("dashboard.css", "text/css"),
    "/dashboard.js": ("dashboard.js", "text/javascript"),
}
"""By path: the file and its type."""
_PARTS = {
    path: (files("mmscand.api") / "page" / name).read_bytes() for path, (name, _) in _KINDS.items()
}
"""Read with the code: later, without root's rights, the folder may be out of reach."""


def dashboard_routes() -> APIRouter:
    """`/` and what it loads."""
    router = APIRouter(include_in_schema=False)

    def part(request: Request) -> Response:
        path = request.url.path
        return Response(_PARTS[path], headers=_HEADERS, media_type=_KINDS[path][1])

    for path in _KINDS:
        router.add_api_route(path, part, methods=["GET", "HEAD"], response_class=Response)
    return router
