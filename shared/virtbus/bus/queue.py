"""The queue of jobs: accepted once in their record, then handed to whoever owns the host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from uuid import UUID

import nats.errors

from virtbus.bus.bucket import Bucket, Exists
from virtbus.bus.codec import DecodeError, pack, unpack
from virtbus.bus.link import ApiError, Link, cancellable
from virtbus.bus.reading import Entry, Pull
from virtbus.bus.streams import DUPLICATE_WINDOW
from virtbus.errors import KeyReused, Unavailable
from virtbus.names import NO_DOMAIN_TOKEN
from virtbus.records import JobRecord, now

log = logging.getLogger(__name__)

ACK_WAIT = 12 * 3600.0
"""Seconds. A job is redelivered because its host is taken anew, not because time passed: the owner's session tells
that it is being worked on."""


def job_key(host: str, job: str) -> str:
    """The key of a job's record."""
    return f"{host}.{job}"


@dataclass
class Delivery:
    """A job's message in the hands of the host's owner; the same job may be given again, under a new `entry`."""

    job: str
    operation: str
    domain: UUID | None
    entry: Entry


class JobQueue:
    """The stream of jobs."""

    def __init__(self, link: Link, records: Bucket[JobRecord]) -> None:
        self._link = link
        self._records = records
        self._stream = link.subjects.stream("jobs")

    async def accept(self, job: JobRecord) -> tuple[JobRecord, bool]:
        """Accept a job: its record is created, which is the acceptance, then its message is published.

        :returns: the job as it is stored, and whether it is new; the same id with the same request gives what was
            accepted before.
        :raises KeyReused: the id stands for another request.
        :raises Unavailable: the bus does not answer; whether it was accepted is found by asking again with the id.
        """
        # Both are on their way at once, in this order on one connection; a worker waits a moment for the record.
        created, published = await asyncio.gather(
            self._records.create(job_key(job.host, job.id), job), self.publish(job), return_exceptions=True
        )
        new = True
        if isinstance(created, Exists):
            job, new = await self._earlier(job), False
        elif isinstance(created, BaseException):
            raise created
        if isinstance(published, BaseException) and not job.state.ended:
            raise published
        return job, new

    async def _earlier(self, job: JobRecord) -> JobRecord:
        """What was accepted before under this id.

        :raises KeyReused: it was another request.
        """
        stored = await self._records.get(job_key(job.host, job.id))
        if stored is None:
            raise Unavailable("the job's record cannot be read", host=job.host, hint="try again")
        if stored.record.digest != job.digest:
            raise KeyReused(
                "this Idempotency-Key was used for another request", host=job.host,
                hint="use a new key for a new request", evidence={"job": job.id},
            )  # fmt: skip
        return stored.record

    async def publish(self, job: JobRecord) -> None:
        """Publish a job's message; a repeat within the duplicate window changes nothing."""
        await self._publish(job, job.id)

    async def republish(self, job: JobRecord) -> None:
        """Publish an unfinished job that seems to have no message.

        Within the duplicate window its own Msg-Id tells whether it has one; later it gets another.
        """
        young = (now() - job.accepted).total_seconds() < DUPLICATE_WINDOW / 2
        await self._publish(job, job.id if young else f"{job.id}/{token_hex(4)}")

    async def _publish(self, job: JobRecord, message: str) -> None:
        subject = self._link.subjects.job(job.host, job.domain)
        await self._link.write(subject, pack({"job": job.id, "operation": job.operation}), {"Nats-Msg-Id": message})

    async def open(self, host: str) -> int:
        """Make the host's consumer anew, so that every unfinished job comes at once and in order.

        :returns: how many there are.
        """
        name = self._link.subjects.consumer(host)
        with suppress(ApiError):
            await self._link.api(f"CONSUMER.DELETE.{self._stream}.{name}")
        config = {
            "durable_name": name,
            "ack_policy": "explicit",
            "ack_wait": int(ACK_WAIT * 1e9),
            "max_ack_pending": -1,
            "max_deliver": -1,
            "deliver_policy": "all",
            "filter_subject": self._link.subjects.jobs_of(host),
        }
        call = f"CONSUMER.CREATE.{self._stream}.{name}.{config['filter_subject']}"
        reply = await self._link.api(call, {"stream_name": self._stream, "config": config, "action": "create"})
        return int(reply.get("num_pending", 0))

    async def deliveries(self, host: str) -> AsyncIterator[Delivery]:
        """The host's jobs as they come, until somebody else makes its consumer anew.

        :raises ConsumerLost: that happened, or the stream is gone.
        """
        while True:
            async for entry in Pull(self._link, self._stream, self._link.subjects.consumer(host)).entries():
                delivery = await self._delivery(entry)
                if delivery is not None:
                    yield delivery
            # The connection was made anew: what was on its way on the old one is lost, and is to be given again.
            await self.open(host)

    async def _delivery(self, entry: Entry) -> Delivery | None:
        """A message as a job; one that is none is taken out of the queue, so that it stops nobody for ever."""
        token = entry.subject.rpartition(".")[2]
        try:
            message = unpack(entry.data)
            domain = None if token == NO_DOMAIN_TOKEN else UUID(token)
            return Delivery(str(message["job"]), str(message["operation"]), domain, entry)
        except (DecodeError, KeyError, TypeError, ValueError) as error:
            log.error("a message on %s is no job and is dropped: %s", entry.subject, error)
            with suppress(nats.errors.Error, OSError):
                await self._link.client.publish(entry.reply, b"+TERM")
            return None

    async def done(self, delivery: Delivery) -> None:
        """Take the job's message out of the queue, and be sure that it is.

        :raises Unavailable: the bus does not answer; the job will be delivered again and found ended.
        """
        try:
            await cancellable(self._link.client.request(delivery.entry.reply, b"+ACK", timeout=3))
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise Unavailable("the bus did not confirm an acknowledgement") from error

    async def give_back(self, delivery: Delivery) -> None:
        """Let another owner have it at once; for a planned stop."""
        with suppress(nats.errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._link.client.publish(delivery.entry.reply, b"-NAK")
