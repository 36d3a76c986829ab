"""A limit on request bodies: nobody who may talk to the daemon can make it take much memory."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
"""All knobs at once are 1 KiB."""


class BodyLimit:
    """ASGI middleware. Starlette's own answers in plain text; here every refusal is an Error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, until its body gets too long."""
        got = 0

        async def limited() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > MAX_BODY_BYTES:
                raise HTTPException(413, "the body is larger than 64 KiB")
            return message

        await self._app(scope, limited, send)
