"""A client of the simulated hypervisor: requests with a time limit, and events as they come."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtbus.errors import (
    AlreadyExists,
    HypervisorError,
    HypervisorGone,
    HypervisorSilent,
    InvalidArgument,
    NoDevice,
    Unavailable,
    VirtbusError,
    WrongState,
)
from virtbus_simulated.lines import Lines

OnEvent = Callable[[dict[str, Any], str | None], None]
"""Called for each event, in order, with the job whose request brought it about, where it was one of ours."""

_ERRORS: dict[str, type[VirtbusError]] = {
    "bad-request": InvalidArgument,
    "no-domain": WrongState,
    "exists": AlreadyExists,
    "wrong-state": WrongState,
    "no-device": NoDevice,
    "pending": WrongState,
    "start-failed": HypervisorError,
    "gone": HypervisorGone,
    "not-open": Unavailable,
}
"""The error for each kind of refusal; the hypervisor's own words become the message."""


@dataclass(frozen=True)
class _Asked:
    request: str
    domain: str | None
    job: str | None
    answer: asyncio.Future[dict[str, Any]]


class Client(Lines):
    """A connection to one host of a simulated hypervisor. Get one by `connect`."""

    def __init__(self, host: str, on_event: OnEvent | None) -> None:
        super().__init__()
        self._host = host
        self._on_event = on_event
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._ended = asyncio.Event()

    @classmethod
    async def connect(cls, path: Path, host: str, *, timeout: float, on_event: OnEvent | None = None) -> Client:
        """Connect to the socket at `path`.

        :raises HypervisorGone: nobody listens there.
        :raises HypervisorSilent: the connection was not made in time.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, client = await loop.create_unix_connection(lambda: cls(host, on_event), str(path))
        except TimeoutError as error:
            raise HypervisorSilent(f"no connection to {path} within {timeout:g} s", host=host) from error
        except OSError as error:
            raise HypervisorGone(
                f"no simulated hypervisor listens on {path}: {error.strerror}",
                host=host,
                hint="`virtbus simulate` starts one",
                evidence={"socket": str(path)},
            ) from error
        return client

    async def ask(
        self, request: str, *, timeout: float, domain: str | None = None, job: str | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Ask something and give the answer.

        :param timeout: seconds. What was asked may still be carried out after that.
        :param job: whose events these are that the request brings about.
        :raises VirtbusError: the hypervisor refused; `evidence["kind"]` says why.
        :raises Unavailable: the connection ended before the answer; whether it was carried out, the history tells.
        :raises HypervisorSilent: no answer in time.
        """
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if not self.open:
            raise self._gone(request, domain)
        if timeout <= 0:
            raise HypervisorSilent(f"no time was left to ask for {request}", host=self._host, domain=domain)
        self._asked[number] = _Asked(request, domain, job, answer)
        place = {"host": self._host} | ({} if domain is None else {"domain": domain})
        try:
            self.send({"id": number, "request": request} | place | arguments)
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError as error:
            raise HypervisorSilent(
                f"the hypervisor did not answer {request} within {timeout:.3g} s",
                host=self._host,
                domain=domain,
                hint="destroy gets through to a domain that does not answer",
                evidence={"sent": request},
            ) from error
        finally:
            del self._asked[number]

    async def closed(self) -> None:
        """Return when the connection has ended, for whatever reason."""
        await self._ended.wait()

    async def close(self) -> None:
        """End the connection."""
        self.cut()
        await self._ended.wait()

    def received(self, message: dict[str, Any]) -> None:
        """An answer or an event came."""
        if "event" in message:
            asked = self._asked.get(message.get("request", 0))
            if self._on_event is not None:
                self._on_event(message, None if asked is None else asked.job)
            return
        asked = self._asked.get(message["id"])
        if asked is None or asked.answer.done():
            return
        if "error" in message:
            asked.answer.set_exception(self._refusal(asked, message["error"]))
        else:
            asked.answer.set_result(message["result"])

    def ended(self) -> None:
        """The connection is over: whoever waits is told."""
        self._ended.set()
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(self._gone(asked.request, asked.domain))

    def _refusal(self, asked: _Asked, error: dict[str, str]) -> VirtbusError:
        kind = _ERRORS.get(error["kind"], HypervisorError)
        evidence = {"kind": error["kind"], "sent": asked.request, "answer": error["message"]}
        return kind(error["message"], host=self._host, domain=asked.domain, evidence=evidence)

    def _gone(self, request: str, domain: str | None) -> Unavailable:
        return Unavailable(
            f"the connection to the simulated hypervisor ended before it answered {request}",
            host=self._host,
            domain=domain,
            hint="the worker connects anew by itself, and looks at what became of it",
            evidence={"sent": request},
        )
