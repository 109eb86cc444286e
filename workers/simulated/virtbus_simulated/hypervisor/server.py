"""The simulated hypervisor as its clients see it: connections, requests and answers."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from virtbus_simulated.hypervisor.effects import EffectLog
from virtbus_simulated.hypervisor.host import SimulatedHost
from virtbus_simulated.hypervisor.machine import Machine
from virtbus_simulated.hypervisor.parameters import Parameters, parse_uri
from virtbus_simulated.hypervisor.refusal import Refused, Why
from virtbus_simulated.hypervisor.requests import FREE, HOST, MALFORMED, MONITOR
from virtbus_simulated.lines import Lines

VERSION = "1.0"


class Hypervisor:
    """All simulated hosts of this process. A host comes up when it is first opened."""

    def __init__(self, machine: str, parameters: Parameters, log: EffectLog, boot: str) -> None:
        self.machine = machine
        """What identifies the computer that this runs on."""
        self.boot = boot
        self._parameters = parameters
        self._log = log
        self._hosts: dict[str, SimulatedHost] = {}

    def connection(self) -> Connection:
        """A new client's end."""
        return Connection(self)

    def open(self, name: str, uri: str | None) -> SimulatedHost:
        """The host of this name; where it is not up, it comes up as `uri` says."""
        host = self._hosts.get(name)
        if host is None:
            parameters = self._parameters if uri is None else parse_uri(uri)
            host = self._hosts[name] = SimulatedHost(name, parameters, self.boot, self._log)
        return host

    def host(self, name: str) -> SimulatedHost:
        """A host that is up.

        :raises Refused: there is none of this name.
        """
        host = self._hosts.get(name)
        if host is None:
            raise Refused(Why.NOT_OPEN, f"no host {name} was opened")
        return host

    def facts(self, host: SimulatedHost) -> dict[str, Any]:
        """What a client is told when it opens a host."""
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "boot": self.boot,
            "machine": str(uuid5(NAMESPACE_URL, f"simulated://{self.machine}/{host.name}")),
            "fqdn": f"{host.name}.simulated.test",
            "position": host.position,
        }


class Connection(Lines):
    """A client of the hypervisor."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        super().__init__()
        self._hypervisor = hypervisor
        self._hosts: set[SimulatedHost] = set()

    def received(self, message: dict[str, Any]) -> None:
        """Carry a request out."""
        request = message.get("id")
        if not isinstance(request, int):
            self.cut()
            return
        try:
            self._perform(request, str(message.get("request")), message)
        except Refused as refused:
            self._refuse(request, refused)
        except MALFORMED as error:
            self._refuse(request, Refused(Why.BAD_REQUEST, f"{type(error).__name__}: {error}"))

    def ended(self) -> None:
        """The client is gone; what it asked of a hung monitor goes with it."""
        for host in self._hosts:
            host.left(self)

    def told(self, host: str, event: dict[str, Any], request: int | None) -> None:
        """Pass an event on."""
        self.send({"host": host} | event | ({} if request is None else {"request": request}))

    def _perform(self, request: int, name: str, message: dict[str, Any]) -> None:
        if name == "open":
            host = self._hypervisor.open(message["host"], message.get("uri"))
            host.open(self)
            self._hosts.add(host)
            self._answer(request, self._hypervisor.facts(host))
            return
        host = self._hypervisor.host(message["host"])
        if name not in FREE and host.client is not self:
            raise Refused(Why.NOT_OPEN, f"this connection has not opened host {host.name}, or another one has since")
        if name in MONITOR:
            self._ask(request, name, host.machine(UUID(message["domain"])), message)
        elif name in HOST:
            with host.on_behalf(request):
                result = HOST[name](host, message)
            self._settle(request, host, message, result)
        else:
            raise Refused(Why.BAD_REQUEST, f"there is no request {name!r}")

    def _ask(self, request: int, name: str, machine: Machine, message: dict[str, Any]) -> None:
        if machine.hung and name not in FREE:
            machine.parked.append(partial(self._unpark, message))
            return
        with machine.host.on_behalf(request):
            result = MONITOR[name](machine, message)
        self._settle(request, machine.host, message, result)

    def _unpark(self, message: dict[str, Any]) -> None:
        if self.open:
            self.received(message)

    def _settle(
        self,
        request: int,
        host: SimulatedHost,
        message: dict[str, Any],
        result: dict[str, Any] | asyncio.Future[dict[str, Any]],
    ) -> None:
        if isinstance(result, asyncio.Future):
            result.add_done_callback(partial(self._arrived, request, host, message))
        elif "position" in result and "domain" in message and self._loses(host, message):
            self.cut()
        else:
            self._answer(request, result)

    def _arrived(
        self, request: int, host: SimulatedHost, message: dict[str, Any], outcome: asyncio.Future[dict[str, Any]]
    ) -> None:
        error = outcome.exception()
        if isinstance(error, Refused):
            self._refuse(request, error)
        elif error is None:
            self._settle(request, host, message, outcome.result())

    def _loses(self, host: SimulatedHost, message: dict[str, Any]) -> bool:
        machine = host.find(UUID(message["domain"]))
        return message["request"] not in FREE and machine is not None and host.loses_answer(machine)

    def _answer(self, request: int, result: dict[str, Any]) -> None:
        self.send({"id": request, "result": result})

    def _refuse(self, request: int, refused: Refused) -> None:
        self.send({"id": request, "error": {"kind": refused.why, "message": refused.message}})


def new_boot() -> str:
    """The id of a boot: of this process."""
    return uuid4().hex
