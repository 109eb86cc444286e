"""The connection to NATS: requests and publishing with time limits and retries, and the raw JetStream API.

nats-py is used for its socket, its protocol and its reconnecting; JetStream is spoken through its documented API
subjects (https://docs.nats.io/reference/reference-protocols/nats_api_reference), because the library's watchers and
fetches end silently when a broker is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import Counter, Histogram

from virtbus.bus.settings import BusSettings
from virtbus.bus.subjects import Subjects
from virtbus.errors import InternalError, TooLarge, Unavailable

ROUND_TRIPS = Histogram(
    "virtbus_bus_round_trip_seconds", "Time of one acknowledged write or request on the bus", ["kind"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)  # fmt: skip
RECONNECTS = Counter("virtbus_bus_reconnects_total", "How often the connection to the bus was made anew")
DENIALS = Counter("virtbus_bus_denied_total", "How often the bus refused a subject to this service")

WRONG_SEQUENCE = 10071
"""JetStream's error code for an expected last sequence that is not the last any more."""
NOT_FOUND = {10014, 10037, 10059}
"""JetStream's error codes for consumer, message and stream not found."""


T = TypeVar("T")


class ApiError(InternalError):
    """JetStream refused; `evidence["err_code"]` is its code."""

    @property
    def err_code(self) -> int:
        return int(self.evidence.get("err_code", 0))


class _Client(Client):
    """The library's client, but for one fault of it: the answer to a ping whose waiter has given up, as after a freeze
    of this process, ends its reading for good, and nothing that is sent is answered any more."""

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pings_outstanding = 0
            return
        await super()._process_pong()


class Link:
    """One connection to the bus."""

    def __init__(self, client: Client, settings: BusSettings, name: str) -> None:
        self.client = client
        self.settings = settings
        self.name = name
        self.subjects = Subjects(settings.prefix)
        self.restored: list[Callable[[], None]] = []
        """Called when the connection stands again after a break."""
        self.denied: list[str] = []
        """What the server refused lately; it tells so only after the fact."""

    @classmethod
    async def open(cls, settings: BusSettings, *, name: str, timeout: float = 10.0) -> Link:
        """Connect.

        :param name: shown by the server, and the prefix of this connection's inboxes.
        :raises Unavailable: no server answered within `timeout` seconds.
        """
        link = cls(_Client(), settings, name)
        context = _tls(settings)
        options: dict[str, Any] = {} if context is None else {"tls": context}
        if settings.nkey_seed is not None:
            options["nkeys_seed_str"] = settings.nkey_seed.read_text().strip()
        try:
            async with asyncio.timeout(timeout):
                await link.client.connect(
                    settings.servers,
                    name=name,
                    inbox_prefix=f"_INBOX.{name}".encode(),
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,  # type: ignore[arg-type]
                    ping_interval=5,
                    connect_timeout=3,
                    allow_reconnect=True,
                    # Nothing is kept for the next connection: a write that was told to have failed must not come true
                    # when the bus is back. `write` tries again by itself.
                    pending_size=0,
                    error_cb=link._failed,
                    reconnected_cb=link._reconnected,
                    **options,
                )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            with contextlib.suppress(Exception):
                await link.client.close()
            raise Unavailable(
                f"the bus at {', '.join(settings.servers)} cannot be reached: {str(error) or type(error).__name__}",
                hint="is nats-server running there, and is this service's NKEY among its users?",
            ) from error
        return link

    async def _failed(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            DENIALS.inc()
            self.denied = [*self.denied[-19:], str(error)]

    async def _reconnected(self) -> None:
        RECONNECTS.inc()
        for restored in self.restored:
            restored()

    @property
    def connected(self) -> bool:
        return self.client.is_connected

    async def close(self) -> None:
        """Send what is buffered and let go; bounded."""
        with contextlib.suppress(TimeoutError, nats.errors.Error, OSError):
            async with asyncio.timeout(2):
                await self.client.flush(timeout=1)
        with contextlib.suppress(TimeoutError, nats.errors.Error, OSError):
            async with asyncio.timeout(2):
                await self.client.close()

    async def request(self, subject: str, payload: bytes, timeout: float) -> Msg:
        """Ask and wait for the answer.

        :raises Unavailable: nobody listens there, or nobody answered in time.
        """
        with ROUND_TRIPS.labels("request").time():
            try:
                return await cancellable(self.client.request(subject, payload, timeout=timeout))
            except nats.errors.NoRespondersError as error:
                raise Unavailable(f"nobody serves {subject}") from error
            except (TimeoutError, nats.errors.Error, OSError) as error:
                raise Unavailable(f"no answer on {subject} within {timeout:g} s") from error

    async def api(self, call: str, body: dict[str, Any] | None = None, timeout: float = 5.0) -> dict[str, Any]:
        """One call of JetStream's API.

        :raises ApiError: JetStream refused.
        :raises Unavailable: it did not answer.
        """
        answer = await self.request(f"$JS.API.{call}", json.dumps(body or {}).encode(), timeout)
        reply: dict[str, Any] = json.loads(answer.data)
        if "error" in reply:
            raise _api_error(call, reply["error"])
        return reply

    async def write(self, subject: str, payload: bytes, headers: dict[str, str] | None = None, *,
                    patience: float | None = None) -> tuple[int, bool]:  # fmt: skip
        """Write to a stream and wait until it is stored; tried again while the bus is out of reach, so the caller
        makes it repeatable by a Msg-Id or an expected sequence.

        :returns: the sequence, and whether this is certainly the first try that reached the bus.
        :raises ApiError: the stream refused it.
        :raises Unavailable: the bus stayed out of reach for `patience` seconds.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.settings.patience if patience is None else patience)
        first = True
        while True:
            try:
                return await self._write_once(subject, payload, headers, min(3.0, max(0.1, until - loop.time()))), first
            except _Unanswered as error:
                if loop.time() >= until:
                    denied = next((f" ({text})" for text in self.denied if subject.lower() in text.lower()), "")
                    raise Unavailable(
                        f"the bus did not store a message on {subject} within {self.settings.patience:g} s{denied}",
                        hint="is nats-server running, and may this service write there?",
                    ) from error
                first = False
                await asyncio.sleep(0.1)

    async def _write_once(self, subject: str, payload: bytes, headers: dict[str, str] | None, timeout: float) -> int:
        with ROUND_TRIPS.labels("write").time():
            try:
                asked = self.client.request(subject, payload, timeout=timeout, headers=headers)
                answer = await cancellable(asked)
            except nats.errors.MaxPayloadError as error:
                raise TooLarge(f"a message of {len(payload)} bytes does not fit on the bus") from error
            except (TimeoutError, nats.errors.Error, OSError) as error:
                raise _Unanswered from error
        reply = json.loads(answer.data)
        if "error" in reply:
            refusal = _api_error(subject, reply["error"])
            if reply["error"].get("code") == 503:
                raise _Unanswered from refusal
            raise refusal
        return int(reply["seq"])

    async def subscribe(self, subject: str, callback: Callable[[Msg], Awaitable[None]] | None = None) -> Subscription:
        """A plain subscription."""
        return await self.client.subscribe(subject, cb=callback)


async def cancellable(awaited: Awaitable[T]) -> T:
    """Await something of the library without losing a cancel.

    Until Python 3.12 asyncio.wait_for, on which the library builds, swallows a cancel that arrives together with the
    answer or the timeout; a task group would then wait for ever.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        return await awaited
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


class _Unanswered(Exception):
    """A write got no answer; it may or may not have been stored."""


def _api_error(call: str, error: dict[str, Any]) -> ApiError:
    return ApiError(
        f"the bus refused {call}: {error.get('description', error)}",
        evidence={"err_code": error.get("err_code", 0), "code": error.get("code", 0)},
    )


def _tls(settings: BusSettings) -> ssl.SSLContext | None:
    if settings.tls_ca is None and settings.tls_cert is None:
        return None
    context = ssl.create_default_context(cafile=settings.tls_ca)
    if settings.tls_cert is not None:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context
