"""Around every request: its trace, its measurement, and the net for what nobody expected."""

from __future__ import annotations

import logging
import re
import time
from secrets import token_hex

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from virtbus_gateway.http.problems import internal_error, problem_response
from virtbus_gateway.metrics import DURATIONS, REQUESTS

log = logging.getLogger(__name__)

TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00."""
STREAMS = frozenset({"/v1/events"})
"""Routes whose answers have no end, so that their duration says nothing."""
NO_ROUTE = "(none)"


def traceparent_of(request: Request) -> str:
    """The request's trace: the caller's, or one of our own."""
    trace: str = request.scope["traceparent"]
    return trace


class Traced:
    """The middleware around the app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["traceparent"] = _take_over(scope)
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            trace = scope["traceparent"]
            log.exception("a defect in %s %s, trace %s", scope["method"], scope["path"], trace)
            if status == 0:
                await problem_response(internal_error(trace.split("-")[1]))(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            REQUESTS.labels(scope["method"], route, str(status or 499)).inc()
            if route not in STREAMS:
                DURATIONS.labels(scope["method"], route).observe(time.perf_counter() - began)


def _take_over(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"traceparent" and TRACEPARENT.fullmatch(text := value.decode("latin-1")):
            return str(text)
    return f"00-{token_hex(16)}-{token_hex(8)}-01"
