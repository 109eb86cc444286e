"""Sending requests: one connection pool, retries with backoff until a deadline, and typed errors.

Every request of ours may be repeated: reads change nothing, jobs carry an Idempotency-Key, and asking twice for a
cancel is asking once. So a connection that breaks and an answer of 503 are tried again; every other answer is an
answer. (502 and 504 are tried again only where a proxy says them: the gateway's own say what the hypervisor did.)
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from virtbus.client.request import Request
from virtbus.errorcodes import ErrorCode
from virtbus.errors import (
    ErrorReply,
    Forbidden,
    InternalError,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unavailable,
    VirtbusError,
)

CONNECT = 5.0
"""Seconds for one connection attempt."""
ANSWER = 15.0
"""Seconds beyond what a request asks to wait for, until its answer counts as lost."""
_PROBLEM = "application/problem+json"
_KIND = "urn:virtbus:error:"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Unreachable(Unavailable):
    """The gateway does not answer; `evidence["url"]` is where it was sought."""


class Backoff:
    """Growing pauses between attempts, spread so that clients do not come back all at once."""

    def __init__(self, first: float = 0.1, longest: float = 2.0) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def reset(self) -> None:
        self._next = self._first

    async def pause(self, deadline: float | None = None) -> None:
        seconds = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._next * 2, self._longest)
        if deadline is not None:
            seconds = min(seconds, max(deadline - time.monotonic(), 0.0))
        await asyncio.sleep(seconds)


class Transport:
    """The connections to one gateway.

    :param url: http:// or https://, without a path.
    :param patience: seconds that a gateway out of reach is tried again; None: until each request's own deadline.
    :raises InvalidArgument: the URL is no HTTP URL.
    """

    def __init__(self, url: str, token: str | None, *, patience: float | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgument(f"{url!r} is no HTTP URL", hint="for instance http://127.0.0.1:8080")
        self.url = url
        self.patience = patience
        headers = {"User-Agent": "virtbus"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            # Loading the trusted certificates takes tens of milliseconds, which plain HTTP has no use for.
            verify=parts.scheme == "https",
            # A proxy of the environment does not lead to this machine's own loopback.
            trust_env=parts.hostname not in _LOOPBACK,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(
        self, request: Request, *, deadline: float, wait: float = 0.0, persistent: bool = False
    ) -> httpx.Response:
        """The answer to a request, after as many attempts as it takes.

        :param deadline: on `time.monotonic`.
        :param wait: seconds that the gateway was asked to hold the answer back.
        :param persistent: go on until the deadline, whatever the client's patience is.
        :raises Unreachable: no attempt got an answer.
        :raises VirtbusError: what the gateway answered.
        """
        backoff = Backoff()
        patience = None if persistent else self.patience
        while True:
            try:
                return await self._attempt(request, min(wait + ANSWER, max(deadline - time.monotonic(), 0.1)))
            except Unavailable:
                now = time.monotonic()
                if patience is not None:
                    # It counts from the first failure: how long an answer takes is another matter.
                    deadline, patience = min(deadline, now + patience), None
                if now >= deadline:
                    raise
            await backoff.pause(deadline)

    async def _attempt(self, request: Request, seconds: float) -> httpx.Response:
        limits = httpx.Timeout(seconds, connect=min(seconds, CONNECT))
        try:
            answer = await self._http.request(
                request.method, request.path, params=request.query, json=request.json, content=request.content,
                headers=request.headers, timeout=limits,
            )  # fmt: skip
        except httpx.TransportError as error:
            raise self.unreachable(error) from error
        if answer.is_error:
            raise error_of(answer)
        return answer

    @asynccontextmanager
    async def stream(self, request: Request, *, silence: float) -> AsyncIterator[httpx.Response]:
        """An answer that is read as it comes.

        :param silence: seconds without a byte after which the connection counts as broken.
        :raises Unreachable: the connection cannot be made, or breaks.
        :raises VirtbusError: what the gateway answered instead.
        """
        limits = httpx.Timeout(silence, connect=CONNECT, write=CONNECT)
        try:
            async with self._http.stream(
                request.method, request.path, params=request.query, headers=request.headers, timeout=limits
            ) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise error_of(answer)
                yield answer
        except httpx.TransportError as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"no answer from the gateway at {self.url}: {str(error) or type(error).__name__}",
            hint="is it up, and is the URL right?",
            evidence={"url": self.url},
        )


_BY_STATUS: dict[int, type[VirtbusError]] = {
    400: InvalidArgument, 401: Unauthenticated, 403: Forbidden, 404: NotFound, 413: InvalidArgument,
    422: InvalidArgument, 502: Unavailable, 503: Unavailable, 504: Unavailable,
}  # fmt: skip
"""What an answer without a problem document means: a proxy's, or that of something which is no gateway."""


def error_of(answer: httpx.Response) -> VirtbusError:
    """The typed error in an answer that is none."""
    if answer.headers.get("content-type", "").startswith(_PROBLEM):
        try:
            return VirtbusError.from_reply(_reply(answer.json()))
        except (ValueError, ValidationError):
            pass  # Not a document of ours after all: the status is all that it says.
    kind = _BY_STATUS.get(answer.status_code, InternalError)
    return kind(
        f"{answer.request.method} {answer.request.url.path} was answered {answer.status_code} {answer.reason_phrase}",
        evidence={"answer": answer.text[:500]},
    )


def _reply(problem: dict[str, Any]) -> ErrorReply:
    """RFC 9457's members and ours, as the error that they carry.

    `detail` begins with the place, which the error has as fields and says by itself.
    """
    named = (f"{what} {problem[what]}" for what in ("host", "domain") if problem.get(what))
    plain = str(problem.get("detail", "")).removeprefix(f"{', '.join(named)}: ")
    return ErrorReply.model_validate(
        {"code": ErrorCode.INTERNAL_ERROR, "code_name": "", "message": plain}
        | problem
        | {"kind": str(problem.get("type", "")).removeprefix(_KIND)}
    )
