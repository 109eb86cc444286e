"""Reading a stream without end: one mechanism for job queues, watched buckets and event logs.

A pull consumer is asked for messages in batches, with the server's heartbeats; silence, a lost consumer or a broken
connection make it ask again, and a reader that is not durable makes its consumer anew behind the last sequence it saw.
So a reader never ends by itself and loses nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import nats.errors
from nats.aio.msg import Msg

from virtbus.bus.link import NOT_FOUND, ApiError, Link
from virtbus.errors import Unavailable

BATCH = 500
EXPIRES = 10.0
HEARTBEAT = 1.0
SILENCE = 2.5
"""Seconds without a message or a heartbeat after which the consumer is asked again."""


@dataclass(frozen=True)
class Entry:
    """A message of a stream."""

    subject: str
    data: bytes
    headers: dict[str, str]
    sequence: int
    time: datetime
    """The broker's timestamp."""
    delivered: int
    """How often this consumer delivered it, this time included."""
    reply: str
    """Where it is acknowledged."""
    pending: int
    """How many messages the consumer still has behind this one."""


class ConsumerLost(Unavailable):
    """The consumer is gone: somebody deleted it, or the stream is not there any more."""


class Pull:
    """The messages of one existing consumer, as they come, over one connection."""

    def __init__(self, link: Link, stream: str, consumer: str) -> None:
        self._link = link
        self._stream = stream
        self._consumer = consumer
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()

    async def entries(self) -> AsyncIterator[Entry]:
        """Messages, until the connection breaks: what was on its way then is lost with it, and must be given again
        by a consumer made anew.

        :raises ConsumerLost: the consumer is gone.
        """
        inbox = self._link.client.new_inbox()
        subscription = await self._link.subscribe(inbox, self._take)
        self._link.restored.append(self._broken)
        try:
            await self._ask(inbox)
            outstanding = BATCH
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        message = await self._arrived.get()
                except TimeoutError:
                    await self._check()
                    await self._ask(inbox)
                    outstanding = BATCH
                    continue
                if message is None:
                    return
                status = message.headers.get("Status") if message.headers else None
                if status is None or message.reply.startswith("$JS.ACK"):
                    yield _entry(message)
                    outstanding -= 1
                elif await self._ended(status):
                    outstanding = 0
                if outstanding <= BATCH // 2:
                    await self._ask(inbox)
                    outstanding = BATCH
        finally:
            self._link.restored.remove(self._broken)
            with suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()

    async def _take(self, message: Msg) -> None:
        self._arrived.put_nowait(message)

    def _broken(self) -> None:
        """The connection is another one: whatever arrived before counts, nothing after."""
        self._arrived.put_nowait(None)

    async def _ask(self, inbox: str) -> None:
        request = {"batch": BATCH, "expires": int(EXPIRES * 1e9), "idle_heartbeat": int(HEARTBEAT * 1e9)}
        with suppress(nats.errors.Error, OSError):
            await self._link.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}", json.dumps(request).encode(), reply=inbox
            )

    async def _ended(self, status: str) -> bool:
        """Whether a status message says that the request is used up."""
        if status == "100":
            return False
        if status in ("404", "408"):
            return True
        await self._check()
        return True

    async def _check(self) -> None:
        try:
            await self._link.api(f"CONSUMER.INFO.{self._stream}.{self._consumer}", timeout=2)
        except ApiError as error:
            if error.err_code in NOT_FOUND:
                raise ConsumerLost(f"the consumer {self._consumer} of {self._stream} is gone") from error
            raise
        except Unavailable:
            return


class Reader:
    """A stream's messages from some point on, for ever, through consumers that it makes as it needs them."""

    def __init__(self, link: Link, stream: str, filters: list[str], *, start: dict[str, Any], name: str) -> None:
        """:param start: JetStream's deliver_policy and what belongs to it.
        :param name: of the consumer; a role's rights may be tied to it."""
        self._link = link
        self._stream = stream
        self._filters = filters
        self._start = start
        self._name = name
        self.last = 0
        """The sequence of the last message given out."""
        self.initial: int | None = None
        """How many messages there were to read when it began."""
        self._ready = False

    async def open(self) -> None:
        """Make the consumer now, so that nothing written from here on is missed.

        :raises Unavailable, ApiError: it cannot be made.
        """
        pending = await create_consumer(self._link, self._stream, self._name, self._filters, self._policy())
        if self.initial is None:
            self.initial = pending
        self._ready = True

    async def entries(self) -> AsyncIterator[Entry]:
        """Messages, for ever and each once: the sequence always grows."""
        while True:
            try:
                if not self._ready:
                    await self.open()
                async for entry in Pull(self._link, self._stream, self._name).entries():
                    if entry.sequence > self.last:
                        self.last = entry.sequence
                        yield entry
                # The connection broke: go on behind the last message with a consumer made anew.
                self._ready = False
            except (Unavailable, ApiError):
                self._ready = False
                await asyncio.sleep(0.2)

    def _policy(self) -> dict[str, Any]:
        if self.last:
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": self.last + 1}
        return self._start

    async def close(self) -> None:
        """Delete the consumer; it would go by itself after a while."""
        with suppress(Unavailable, ApiError):
            await self._link.api(f"CONSUMER.DELETE.{self._stream}.{self._name}", timeout=1)


async def create_consumer(
    link: Link, stream: str, name: str, filters: list[str], policy: dict[str, Any]
) -> int:
    """Make (or make anew) a reader's consumer; returns how many messages it has to give."""
    with suppress(ApiError):
        await link.api(f"CONSUMER.DELETE.{stream}.{name}", timeout=2)
    config: dict[str, Any] = {
        "name": name,
        "ack_policy": "none",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": int(30e9),
        **policy,
    }
    if len(filters) == 1:
        config["filter_subject"] = filters[0]
        call = f"CONSUMER.CREATE.{stream}.{name}.{filters[0]}"
    else:
        config["filter_subjects"] = filters
        call = f"CONSUMER.CREATE.{stream}.{name}"
    reply = await link.api(call, {"stream_name": stream, "config": config, "action": "create"})
    return int(reply.get("num_pending", 0))


def _entry(message: Msg) -> Entry:
    tokens = message.reply.split(".")
    # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or with domain and account
    # hash in front and a token behind.
    place = 4 if len(tokens) == 9 else 6
    return Entry(
        subject=message.subject,
        data=message.data,
        headers=dict(message.headers or {}),
        sequence=int(tokens[place + 1]),
        time=datetime.fromtimestamp(int(tokens[place + 3]) / 1e9, UTC),
        delivered=int(tokens[place]),
        reply=message.reply,
        pending=int(tokens[place + 4]),
    )
