"""Queries: reads that the host's worker answers, over NATS's services protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import nats.errors
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, Service, ServiceConfig

from virtbus.bus.codec import DecodeError, pack, unpack
from virtbus.bus.link import Link
from virtbus.errors import ErrorReply, InternalError, Unavailable, VirtbusError

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""What answers a query: arguments in, result out; raises VirtbusError."""

SERVICE_VERSION = "1.0.0"


class Queries:
    """Asking, and serving what is asked."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ask(self, host: str, operation: str, payload: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Ask the host's worker.

        :raises VirtbusError: what the worker raised.
        :raises Unavailable: nobody serves the host, or its worker did not answer within `timeout` seconds.
        """
        try:
            answer = await self._link.request(self._link.subjects.query(host, operation), pack(payload), timeout)
        except Unavailable as error:
            raise Unavailable(
                f"the worker of the host does not answer {operation}: {error.message}",
                host=host,
                hint="is its worker running? `virtbus hosts` shows who serves it and when it was last seen",
            ) from error
        reply = unpack(answer.data)
        if not isinstance(reply, dict):
            raise DecodeError(f"the answer to {operation} is no map", host=host)
        if "error" in reply:
            raise VirtbusError.from_reply(ErrorReply.model_validate(reply["error"]))
        result: dict[str, Any] = reply["result"]
        return result

    async def serve(self, host: str, answers: Mapping[str, Answer], start: Callable[[Awaitable[None]], None]
                    ) -> Service:  # fmt: skip
        """Answer these operations for a host, until the service that is returned is stopped.

        :param start: runs a coroutine in the owner's task group: queries are answered side by side.
        """
        service = await add_service(
            self._link.client,
            ServiceConfig(
                name=f"virtbus-worker-{host}",
                version=SERVICE_VERSION,
                description=f"Virtbus worker of host {host}",
                metadata={"host": host},
            ),
        )
        for operation, answer in answers.items():
            await service.add_endpoint(
                EndpointConfig(
                    name=operation.replace(".", "-"),
                    subject=self._link.subjects.query(host, operation),
                    handler=_handler(answer, start),
                )
            )
        return service


def _refusal(error: VirtbusError) -> bytes:
    return pack({"error": error.reply().model_dump(mode="json")})


def _handler(answer: Answer, start: Callable[[Awaitable[None]], None]) -> Callable[[Request], Awaitable[None]]:
    async def respond(request: Request) -> None:
        try:
            arguments = unpack(request.data)
            reply = pack({"result": await answer(arguments if isinstance(arguments, dict) else {})})
        except VirtbusError as error:
            reply = _refusal(error)
        except Exception as error:  # noqa: BLE001  the asker gets a typed error, whatever went wrong here
            reply = _refusal(InternalError(f"{type(error).__name__}: {error}"))
        with suppress(nats.errors.Error, OSError):
            await request.respond(reply)

    async def handle(request: Request) -> None:
        start(respond(request))

    return handle
