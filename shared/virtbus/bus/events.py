"""The log of events: published once, read by anybody, from any point that is still kept.

An event travels as CloudEvents in binary mode: attributes in ce- headers, msgpack as data
(https://github.com/cloudevents/spec, NATS binding).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator, Sequence
from secrets import token_hex
from typing import Any
from uuid import UUID

from virtbus.bus.codec import DecodeError, decode, encode
from virtbus.bus.link import Link
from virtbus.bus.reading import Reader
from virtbus.eventkinds import EventKind
from virtbus.records import Event

log = logging.getLogger(__name__)

READ_LIMIT = 10.0
"""Seconds for a look at the events of one domain."""
FROM_THE_BEGINNING = ""
"""The cursor before everything that is kept."""


class EventLog:
    """The stream of events."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._stream = link.subjects.stream("events")

    async def publish(self, event: Event) -> int:
        """Publish an event; publishing it again changes nothing. Returns its sequence.

        :raises Unavailable: the bus does not answer.
        """
        headers = {
            "Nats-Msg-Id": event.id,
            "ce-specversion": "1.0",
            "ce-id": event.id,
            "ce-source": f"/virtbus/hosts/{event.host}",
            "ce-type": f"virtbus.v1.{event.kind}",
            "ce-time": event.time.isoformat(),
            "ce-datacontenttype": "application/msgpack",
            "Virtbus-Generation": str(event.generation),
        }
        if event.domain is not None:
            headers["ce-subject"] = str(event.domain)
        subject = self._link.subjects.event(event.host, event.domain, event.kind)
        sequence, _ = await self._link.write(subject, encode(event), headers)
        return sequence

    async def last_generation(self, host: str, domain: UUID) -> int:
        """The generation of the last event of a domain that was published; 0 where none is kept."""
        source = Reader(
            self._link,
            self._stream,
            [f"{self._link.subjects.root}.event.{host}.{domain}.>"],
            start={"deliver_policy": "last_per_subject", "headers_only": True},
            name=self._link.subjects.consumer(host),
        )
        await source.open()
        highest = 0
        if source.initial:
            async with asyncio.timeout(READ_LIMIT):
                async for entry in source.entries():
                    highest = max(highest, int(entry.headers.get("Virtbus-Generation", 0)))
                    if entry.pending == 0:
                        break
        await source.close()
        return highest

    async def _state(self) -> tuple[str, int, int]:
        """The stream's identity, and its first and last sequence."""
        reply = await self._link.api(f"STREAM.INFO.{self._stream}")
        identity = base64.urlsafe_b64encode(str(reply["created"]).encode()).decode().rstrip("=")
        return identity, int(reply["state"]["first_seq"]), int(reply["state"]["last_seq"])

    async def cursor(self) -> str:
        """The cursor of now: what comes after it is new."""
        identity, _, last = await self._state()
        return _cursor(identity, last)

    async def follow(
        self,
        cursor: str | None = None,
        *,
        host: str | None = None,
        domain: UUID | None = None,
        kinds: Sequence[EventKind] = (),
    ) -> AsyncIterator[tuple[str, Event]]:
        """Events with their cursors, in the order of the log, for ever.

        :param cursor: read what comes after it; None: from now on; FROM_THE_BEGINNING: all that is kept. One that is
            too old or of another log gives a `gap` event first, and goes on with what there is.
        """
        identity, first, last = await self._state()
        after, gap = _after(cursor, identity, first, last)
        if gap is not None:
            detail: dict[str, Any] = {"reason": gap}
            yield _cursor(identity, after), Event(kind=EventKind.GAP, host=host or "_", family="", detail=detail)
        filters = [self._link.subjects.events(host, domain, kind) for kind in kinds]
        source = Reader(
            self._link,
            self._stream,
            filters or [self._link.subjects.events(host, domain)],
            start={"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1},
            name=f"events_{token_hex(6)}",
        )
        try:
            async for entry in source.entries():
                try:
                    event = decode(Event, entry.data)
                except DecodeError as error:
                    log.error("an event on %s cannot be read and is left out: %s", entry.subject, error)
                    continue
                yield _cursor(identity, entry.sequence), event
        finally:
            await source.close()


def _cursor(identity: str, sequence: int) -> str:
    return base64.urlsafe_b64encode(f"{identity}:{sequence}".encode()).decode().rstrip("=")


def _after(cursor: str | None, identity: str, first: int, last: int) -> tuple[int, str | None]:
    """The sequence to read after, and why there is a gap, if there is one."""
    if cursor is None:
        return last, None
    if cursor == FROM_THE_BEGINNING:
        return max(0, first - 1), None
    try:
        stream, _, sequence = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().rpartition(":")
        position = int(sequence)
    except (ValueError, binascii.Error):
        return last, "the cursor is not one of this log"
    if stream != identity or position > last:
        return last, "the cursor belongs to another log"
    if position + 1 < first:
        return first - 1, "the events after the cursor are not kept any more"
    return position, None
