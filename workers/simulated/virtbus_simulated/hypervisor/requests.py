"""The requests that the simulated hypervisor understands: a table from names to functions of (host, arguments).

A function returns the answer, or a future of it. Those of a domain take the machine too. `MONITOR` requests go to the
domain's own monitor and wait while that hangs; `kill` does not, as a process can always be killed.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from virtbus.errors import InvalidArgument
from virtbus_simulated.hypervisor.failure import failures
from virtbus_simulated.hypervisor.figures import SECOND, figures
from virtbus_simulated.hypervisor.guest import ask_power_off, ask_reboot, ask_unplug
from virtbus_simulated.hypervisor.host import SimulatedHost, Start
from virtbus_simulated.hypervisor.machine import Machine
from virtbus_simulated.hypervisor.refusal import Refused, Why
from virtbus_simulated.hypervisor.screen import screen

Arguments = dict[str, Any]
Answer = dict[str, Any]
HostRequest = Callable[[SimulatedHost, Arguments], Answer | asyncio.Future[Answer]]
MonitorRequest = Callable[[Machine, Arguments], Answer]

_START = TypeAdapter(Start)


def _inventory(host: SimulatedHost, arguments: Arguments) -> Answer:
    known = {UUID(uuid): int(position) for uuid, position in arguments.get("known", {}).items()}
    machines = [machine for machine in host.machines() if machine.up]
    found = {machine.uuid for machine in machines}
    machines += [machine for uuid in known if uuid not in found and (machine := host.find(uuid)) is not None]
    return {
        "position": host.position,
        "domains": [machine.describe() | _missed(machine, known.get(machine.uuid)) for machine in machines],
    }


def _missed(machine: Machine, since: int | None) -> Answer:
    """What the client does not know of a domain; of one that is new to it, this whole life."""
    if since is None:
        since = machine.born
    if since is None:
        return {"missed": [], "whole": True}
    events, whole = machine.history.since(since)
    return {"missed": events, "whole": whole}


def _history(host: SimulatedHost, arguments: Arguments) -> Answer:
    machine = host.find(UUID(arguments["domain"]))
    if machine is None:
        events, whole = host.new_history().since(int(arguments["since"]))
        return {"events": events, "whole": whole, "state": "off", "tag": None}
    events, whole = machine.history.since(int(arguments["since"]))
    return {"events": events, "whole": whole, "state": machine.state, "tag": machine.tag}


def _changed(host: SimulatedHost, arguments: Arguments) -> Answer:
    return {"position": host.position, "domains": host.changed(int(arguments["since"]))}


def _start(host: SimulatedHost, arguments: Arguments) -> asyncio.Future[Answer]:
    start = _START.validate_python(
        {"tag": None, "paused": False, "vcpus": 1, "memory": 0}
        | arguments
        | {"uuid": arguments["domain"], "fail": failures(arguments.get("fail", ()))}
    )
    return host.start(start)


def _kill(host: SimulatedHost, arguments: Arguments) -> Answer:
    return {"position": host.machine(UUID(arguments["domain"])).stop("destroyed")}


def _control(host: SimulatedHost, arguments: Arguments) -> Answer:
    """Set the failures of a domain or the host, or let a guest do something of its own accord."""
    machine = None if arguments.get("domain") is None else host.find(UUID(arguments["domain"]))
    if machine is None and arguments.get("domain") is not None:
        raise Refused(Why.NO_DOMAIN, f"there is no domain {arguments['domain']}")
    if "fail" in arguments:
        host.set_failures(machine, failures(arguments["fail"]))
    if "play" in arguments:
        if machine is None or arguments["play"] not in _PLAYS:
            raise Refused(Why.BAD_REQUEST, f"play needs a domain and one of {', '.join(_PLAYS)}")
        return {"position": _PLAYS[arguments["play"]](machine)}
    return {}


def _status(host: SimulatedHost, arguments: Arguments) -> Answer:
    return {"position": host.position, "domains": sum(1 for _ in host.machines())}


_PLAYS: dict[str, Callable[[Machine], int]] = {
    "power-off": Machine.power_off,
    "reset": lambda machine: machine.reset(by="guest"),
    "panic": Machine.crash,
    "io-error": lambda machine: machine.suspend("ioerror", "ioerror"),
    "watchdog": lambda machine: machine.suspend("watchdog", "watchdog"),
    "die": lambda machine: machine.stop("crashed"),
}
"""What a guest, or a domain's process, may do by itself."""

HOST: dict[str, HostRequest] = {
    "inventory": _inventory,
    "history": _history,
    "changed": _changed,
    "start": _start,
    "kill": _kill,
    "control": _control,
    "status": _status,
}
"""Requests to the host."""

MONITOR: dict[str, MonitorRequest] = {
    "power-off": lambda machine, _: {"position": ask_power_off(machine)},
    "reboot": lambda machine, _: {"position": ask_reboot(machine)},
    "reset": lambda machine, _: {"position": machine.reset(by="host")},
    "suspend": lambda machine, _: {"position": machine.suspend()},
    "resume": lambda machine, _: {"position": machine.resume()},
    "plug": lambda machine, given: {"position": machine.plug(given["alias"], given["xml"])},
    "unplug": lambda machine, given: {"position": ask_unplug(machine, given["alias"])},
    "change": lambda machine, given: {"position": machine.change(given["alias"], given["xml"])},
    "vcpus": lambda machine, given: {"position": machine.set_vcpus(int(given["count"]))},
    "memory": lambda machine, given: {"position": machine.set_memory(int(given["kibibytes"]))},
    "keys": lambda machine, given: {
        "position": machine.happen("keys-sent", keys=list(given["keys"]), hold=int(given["hold"]))
    },
    "describe": lambda machine, _: machine.describe(),
    "figures": lambda machine, given: figures(machine, given.get("devices", ())),
    "screen": lambda machine, _: {"png": b64encode(screen(machine.uuid, machine.ran / SECOND)).decode()},
}
"""Requests to a domain's monitor."""

FREE = frozenset({"inventory", "history", "changed", "control", "status", "describe"})
"""What a connection may ask without having opened the host."""

MALFORMED = (KeyError, ValueError, TypeError, InvalidArgument)
"""What the functions above raise for arguments that make no sense (pydantic's errors are ValueErrors)."""
