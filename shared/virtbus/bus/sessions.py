"""Sessions: a worker process lives as long as it renews its session; and the skew of its clock against the broker's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from datetime import datetime
from secrets import token_hex

from virtbus.bus.bucket import EXPECTED
from virtbus.bus.codec import DecodeError, decode, encode
from virtbus.bus.link import WRONG_SEQUENCE, ApiError, Link
from virtbus.bus.reading import Reader
from virtbus.bus.settings import SESSION_RENEWAL, SESSION_TTL
from virtbus.errors import Unavailable
from virtbus.records import SessionRecord

log = logging.getLogger(__name__)

MARGIN = 2.0
"""Seconds before the session's end in which its holder does not act any more."""


class SessionLost(Unavailable):
    """The session ran out; what was owned through it may have been taken."""


class Session:
    """This process's own session. Whoever acts checks `valid` first."""

    def __init__(self, link: Link, record: SessionRecord) -> None:
        self._link = link
        self.record = record
        self._subject = link.subjects.session(record.id)
        self._sequence = 0
        self._until = 0.0
        self.skew = 0.0
        """Seconds that the broker's clock is ahead of ours."""
        self.renewed = asyncio.Event()

    @property
    def valid(self) -> bool:
        """Whether this process may still act, by its own monotonic clock.

        CLOCK_BOOTTIME also counts while the machine sleeps.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME) < self._until - MARGIN

    @property
    def remaining(self) -> float:
        """Seconds for which it may still act."""
        return max(0.0, self._until - MARGIN - time.clock_gettime(time.CLOCK_BOOTTIME))

    async def begin(self) -> None:
        """Make the session, or make it anew after it was lost.

        :raises Unavailable: the bus does not answer.
        """
        self._sequence = 0
        await self._write()

    async def renew(self) -> None:
        """Renew once.

        :raises SessionLost: it ran out meanwhile.
        :raises Unavailable: the bus does not answer; it may still be valid.
        """
        try:
            await self._write()
        except ApiError as error:
            if error.err_code != WRONG_SEQUENCE:
                raise
            await self._recover(error)

    async def keep(self) -> None:
        """Renew for ever.

        :raises SessionLost: it ran out.
        """
        while True:
            await asyncio.sleep(SESSION_RENEWAL)
            try:
                await self.renew()
            except SessionLost:
                raise
            except (Unavailable, ApiError) as error:
                if not self.valid:
                    raise SessionLost("the session could not be renewed in time") from error

    async def end(self) -> None:
        """Let it go, so that others need not wait for it to run out; best effort."""
        self._until = 0.0
        headers = {"Nats-TTL": "1s"}
        await self._link.write(self._subject, encode(self.record), headers, patience=1)

    async def _write(self) -> None:
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        headers = {EXPECTED: str(self._sequence), "Nats-TTL": f"{SESSION_TTL:.0f}s"}
        payload = encode(self.record)
        self._sequence, _ = await self._link.write(self._subject, payload, headers, patience=SESSION_RENEWAL)
        self._until = began + SESSION_TTL

    async def _recover(self, error: ApiError) -> None:
        """A wrong sequence: our own write whose answer was lost, or the session ran out."""
        found = await read_session(self._link, self._subject)
        if found is None:
            raise SessionLost("the session ran out") from error
        self._sequence = found[0]
        await self._write()

    async def measure_skew(self) -> None:
        """Compare the clocks: the broker stamps a renewal, half a round trip after our clock was read."""
        before = time.time()
        await self.renew()
        after = time.time()
        found = await read_session(self._link, self._subject)
        if found is not None:
            self.skew = found[1].timestamp() - (before + after) / 2


async def read_session(link: Link, subject: str) -> tuple[int, datetime] | None:
    """A session's sequence and last renewal; None where it has run out."""
    answer = await link.request(f"$JS.API.DIRECT.GET.{link.subjects.stream('sessions')}.{subject}", b"", 3.0)
    headers = dict(answer.headers or {})
    if headers.get("Status"):
        return None
    return int(headers["Nats-Sequence"]), datetime.fromisoformat(headers["Nats-Time-Stamp"][:26].rstrip("Z") + "+00:00")


class Sessions:
    """The sessions of the fleet's workers."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def new(self, record: SessionRecord) -> Session:
        return Session(self._link, record)

    async def alive(self, session: str) -> bool:
        """Whether a session lives now.

        :raises Unavailable: the bus does not answer.
        """
        return await read_session(self._link, self._link.subjects.session(session)) is not None

    async def renewals(self) -> AsyncIterator[tuple[SessionRecord, datetime]]:
        """Every session's last renewal, then each renewal as it comes, for ever."""
        source = Reader(
            self._link,
            self._link.subjects.stream("sessions"),
            [f"{self._link.subjects.root}.session.>"],
            start={"deliver_policy": "last_per_subject"},
            name=f"watch_{token_hex(6)}",
        )
        async for entry in source.entries():
            try:
                record = decode(SessionRecord, entry.data)
            except DecodeError as error:
                log.error("a session on %s cannot be read and is left out: %s", entry.subject, error)
                continue
            yield record, entry.time
