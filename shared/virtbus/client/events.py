"""Events as an async iterator that goes on by itself after a break, from the last event it gave.

The cursor is the gateway's and opaque. It moves when the iterator hands an event out, so a program that stores
`stream.cursor` after it has dealt with an event misses none. A cursor that is too old gives one event of kind `gap`
with a fresh one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from virtbus.client.request import Query, Request, query_of
from virtbus.client.sse import Message, Parser
from virtbus.client.transport import Backoff, Transport
from virtbus.errors import InternalError, Unavailable
from virtbus.eventkinds import EventKind
from virtbus.records import Event

SILENCE = 45.0
"""Seconds without a byte, not even a comment, after which the connection is made anew."""


class EventStream:
    """Events from a cursor, or from now on.

    The first connection is tried for the client's patience; once it stood, a break is only a pause.

    :raises VirtbusError: from iteration, where the gateway refuses: a token without rights, an unknown host.
    """

    def __init__(self, transport: Transport, query: Query, cursor: str | None) -> None:
        self._transport = transport
        self._query = query
        self._cursor = cursor
        self._events = self._follow()

    @property
    def cursor(self) -> str | None:
        """Where to go on after the last event that was handed out."""
        return self._cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _follow(self) -> AsyncGenerator[Event, None]:
        backoff = Backoff(longest=5.0)
        patience = self._transport.patience
        until = None if patience is None else asyncio.get_running_loop().time() + patience
        while True:
            try:
                async with self._transport.stream(self._request(), silence=SILENCE) as answer:
                    until = None
                    parser = Parser()
                    async for chunk in answer.aiter_bytes():
                        backoff.reset()
                        for message in parser.feed(chunk):
                            self._cursor = message.id or self._cursor
                            event = _event(message)
                            if event is not None:
                                yield event
            except Unavailable:
                if until is not None and asyncio.get_running_loop().time() >= until:
                    raise
            await backoff.pause()

    def _request(self) -> Request:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._cursor is None:
            return Request("GET", "/v1/events", self._query, headers=headers)
        # Whoever has a cursor is past the beginning.
        query = [(name, value) for name, value in self._query if name != "replay"]
        return Request("GET", "/v1/events", query, headers=headers | {"Last-Event-ID": self._cursor})


def event_stream(
    transport: Transport,
    *,
    cursor: str | None,
    host: str | None,
    domain: str | None,
    kinds: Sequence[EventKind | str],
    project: str | None,
    replay: bool,
) -> EventStream:
    """The stream of the events that a filter lets through."""
    query = query_of({
        "host": host, "domain": domain, "kind": [str(kind) for kind in kinds], "project": project,
        "replay": "all" if replay else None,
    })  # fmt: skip
    return EventStream(transport, query, cursor)


def _event(message: Message) -> Event | None:
    """The event in a message; None where it only moves the cursor."""
    if message.data is None:
        return None
    try:
        return Event.model_validate_json(message.data)
    except ValidationError as error:
        raise InternalError(
            f"the gateway sent an event of kind {message.event!r} that this version cannot read",
            hint="is the client older than the gateway?",
            evidence={"data": message.data[:500], "errors": error.errors(include_url=False, include_context=False)},
        ) from error
