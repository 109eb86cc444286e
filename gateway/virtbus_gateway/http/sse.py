"""Events over HTTP: server-sent events, each with its cursor as id, so that a client resumes by itself.

An answer goes `: connected` with the cursor of now, then events as they come, and a comment where none comes for a
while. A client that reads too slowly is cut off with a comment, and loses nothing: it comes back with its last id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from virtbus.bus.events import FROM_THE_BEGINNING
from virtbus.errors import InvalidArgument, VirtbusError
from virtbus.eventkinds import EventKind
from virtbus.names import HostName
from virtbus.records import Event
from virtbus_gateway.auth import Principal
from virtbus_gateway.gateway import Gateway
from virtbus_gateway.http.problems import invalid_arguments
from virtbus_gateway.http.routes import authenticate, gateway_of
from virtbus_gateway.metrics import SSE_CLIENTS, SSE_CUT_OFF, SSE_EVENTS

PERMISSION = "event:read"
LAST_WORDS = 1.0
"""Seconds given to the last comment to a client that is cut off."""
CANCEL_AGAIN = 0.05
"""Seconds after which a task that has not ended is cancelled again."""
RETRY = 1000
"""Milliseconds after which a client is told to come back."""


class EventFilter(BaseModel):
    """Which events are wanted, and from where on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: HostName | None = None
    domain: UUID | None = None
    kind: list[EventKind] = []
    """None means all."""
    project: str | None = None
    cursor: str | None = None
    """The id of the last event that was seen; the header Last-Event-ID goes before it."""
    replay: Annotated[str | None, Field(pattern="^all$")] = None
    """`all`: begin with the oldest event that is kept."""

    def fits(self, event: Event, principal: Principal) -> bool:
        """Whether an event is wanted and may be seen; a gap concerns everybody."""
        if event.kind is EventKind.GAP:
            return True
        return principal.sees(event.host, event.project) and self.project in (None, event.project)


def filter_of(request: Request) -> EventFilter:
    """What a request asks for.

    :raises InvalidArgument: it cannot be meant so.
    """
    query = request.query_params
    said: dict[str, Any] = {name: query.getlist(name) if name == "kind" else query[name] for name in query}
    resumed = request.headers.get("last-event-id")
    if resumed:
        said |= {"cursor": resumed, "replay": None}
    if said.get("cursor") is not None and said.get("replay") is not None:
        raise InvalidArgument("cursor and replay contradict each other")
    try:
        return EventFilter.model_validate(said)
    except ValidationError as error:
        raise invalid_arguments(error) from None


def render(cursor: str, event: Event) -> bytes:
    """An event in the stream's format; its JSON has no line break."""
    return f"id: {cursor}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n".encode()


def comment(text: str) -> bytes:
    """A line that clients pass over."""
    return f": {text}\n\n".encode()


class EventStream(Response):
    """The endless answer."""

    media_type = "text/event-stream"

    def __init__(
        self, gateway: Gateway, principal: Principal, wanted: EventFilter, cursor: str, greeting: bytes
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"})
        del self.headers["content-length"]
        self._gateway = gateway
        self._principal = principal
        self._wanted = wanted
        self._cursor = cursor
        self._greeting = greeting
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(gateway.settings.event_queue)
        self._farewell = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._send(send, self._greeting)
        with SSE_CLIENTS.track_inprogress():
            await self._serve(receive, send)
        if self._farewell:
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._send(send, comment(self._farewell), more=False)

    async def _serve(self, receive: Receive, send: Send) -> None:
        """Run until one of them ends: the log is read, the queue written, the client gone, the gateway closing."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._read(), name="events-read"),
                group.create_task(self._write(send), name="events-write"),
                group.create_task(_gone(receive), name="events-client"),
                group.create_task(self._closing(), name="events-closing"),
            ]
            _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            while left:
                # Again and again: Python 3.11's wait_for loses a cancellation that comes together with its result.
                for task in left:
                    task.cancel()
                _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN)

    async def _read(self) -> None:
        wanted = self._wanted
        follow: AsyncIterator[tuple[str, Event]] = self._gateway.bus.events.follow(
            self._cursor, host=wanted.host, domain=wanted.domain, kinds=wanted.kind
        )
        try:
            async with aclosing(follow) as log:  # type: ignore[type-var]
                async for cursor, event in log:
                    if wanted.fits(event, self._principal):
                        self._queue.put_nowait(render(cursor, event))
        except asyncio.QueueFull:
            SSE_CUT_OFF.inc()
            self._farewell = "you read too slowly: come back with your last event id"
        except VirtbusError as error:
            self._farewell = f"the event log cannot be read now ({error.message}): come back with your last event id"

    async def _write(self, send: Send) -> None:
        while True:
            try:
                async with asyncio.timeout(self._gateway.settings.heartbeat):
                    parts = [await self._queue.get()]
            except TimeoutError:
                await self._send(send, comment("nothing new"))
                continue
            while not self._queue.empty():
                parts.append(self._queue.get_nowait())
            await self._send(send, b"".join(parts))
            SSE_EVENTS.inc(len(parts))

    async def _closing(self) -> None:
        await self._gateway.closing.wait()
        self._farewell = "the gateway stops: come back with your last event id"

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def follow_events(request: Request) -> Response:
    """Follow the fleet's events."""
    principal = authenticate(request, PERMISSION)
    wanted = filter_of(request)
    gateway = gateway_of(request)
    greeting = f"retry: {RETRY}\n".encode() + comment("connected")
    if wanted.replay is not None:
        cursor = FROM_THE_BEGINNING
    elif wanted.cursor is not None:
        cursor = wanted.cursor
    else:
        # A client that is cut off before its first event resumes from here.
        cursor = await gateway.bus.events.cursor()
        greeting = f"retry: {RETRY}\nid: {cursor}\n".encode() + comment("connected")
    return EventStream(gateway, principal, wanted, cursor, greeting)


def install(app: FastAPI) -> None:
    """Give the app its event stream."""
    app.router.add_api_route("/v1/events", follow_events, methods=["GET"], name="events", include_in_schema=False)
