"""A simulated host: its domains, and one line of positions for all that happens to them."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from virtbus_simulated.hypervisor.boot import boot
from virtbus_simulated.hypervisor.document import LiveDocument
from virtbus_simulated.hypervisor.effects import EffectLog
from virtbus_simulated.hypervisor.failure import Failure, named
from virtbus_simulated.hypervisor.history import History
from virtbus_simulated.hypervisor.machine import Machine
from virtbus_simulated.hypervisor.parameters import Parameters
from virtbus_simulated.hypervisor.refusal import Refused, Why
from virtbus_simulated.hypervisor.seeds import seed_name, seed_size, seed_uuid, seed_xml

REMEMBERED = 1024
"""Domains that are off and still have their history."""


class Client(Protocol):
    """A connection that has opened the host."""

    def told(self, host: str, event: dict[str, Any], request: int | None) -> None:
        """Something happened; `request` is the client's own that brought it about, where it was one."""

    def cut(self) -> None:
        """End the connection at once; what it has asked and is not carried out yet is dropped."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a start brings."""

    uuid: UUID
    name: str
    xml: str
    tag: str | None
    paused: bool
    fail: frozenset[Failure]
    vcpus: int
    memory: int
    """KiB."""


class SimulatedHost:
    """One host. It has one client at a time: who opens it last has it, so a frozen predecessor can do no more harm."""

    def __init__(self, name: str, parameters: Parameters, boot: str, effects: EffectLog) -> None:
        self.name = name
        self.parameters = parameters
        self.boot = boot
        self.position = time.time_ns() // 1000
        """Of the last thing that happened to any domain. It begins at the clock's microseconds, so that positions grow
        across boots too."""
        self.client: Client | None = None
        self._effects = effects
        self._request: int | None = None
        self._machines: dict[UUID, Machine] = {}
        self._off: OrderedDict[UUID, Machine] = OrderedDict()
        self._forgotten = self.position
        self._changed: OrderedDict[UUID, int] = OrderedDict()
        self._lives = 0
        for index in range(parameters.domains + 1):
            self._seed(index)

    # Its domains.

    def machines(self) -> Iterator[Machine]:
        """The domains that are active or starting."""
        return iter(self._machines.values())

    def find(self, uuid: UUID) -> Machine | None:
        """A domain that is active, starting, or off and remembered."""
        return self._machines.get(uuid) or self._off.get(uuid)

    def machine(self, uuid: UUID) -> Machine:
        """A domain that is active or starting.

        :raises Refused: there is none.
        """
        found = self._machines.get(uuid)
        if found is None:
            raise Refused(Why.NO_DOMAIN, f"domain {uuid} is not running")
        return found

    def changed(self, since: int) -> dict[str, int]:
        """The position of the last event of each domain that had one after `since`."""
        later: dict[str, int] = {}
        for uuid, position in reversed(self._changed.items()):
            if position <= since:
                break
            later[str(uuid)] = position
        return later

    def start(self, start: Start) -> asyncio.Future[dict[str, Any]]:
        """Start a domain; the result has the position, once it is started.

        :raises Refused: it is there already, or its name is.
        """
        if start.uuid in self._machines:
            raise Refused(Why.WRONG_STATE, f"domain {start.name} is already active")
        if any(other.name == start.name for other in self._machines.values()):
            raise Refused(Why.EXISTS, f"another domain is active under the name {start.name}")
        document = LiveDocument(start.xml)
        machine = self._off.pop(start.uuid, None) or Machine(self, start.uuid, start.name)
        machine.name, machine.fail = start.name, start.fail | named(start.name)
        self._machines[start.uuid] = machine
        number, incarnation = self._next_life()
        document.set_id(number)
        machine.prepare(number, incarnation, start.tag, document.text, start.vcpus, start.memory)
        return boot(machine, paused=start.paused)

    # What happens to them.

    def new_history(self) -> History:
        """For a domain that had none, or whose was forgotten."""
        return History(self.parameters.history, self._forgotten)

    def happened(self, machine: Machine, kind: str, subject: str, fields: dict[str, Any]) -> int:
        """Write an effect to the log, then to the domain's history, then tell the client."""
        self.position += 1
        self._effects.append(
            time=datetime.now(UTC).isoformat(),
            host=self.name,
            domain=str(machine.uuid),
            name=machine.name,
            incarnation=machine.incarnation,
            position=self.position,
            effect=kind,
            subject=subject,
            **{name: value for name, value in fields.items() if name not in ("xml", "incarnation")},
        )
        place = {"domain": str(machine.uuid), "incarnation": machine.incarnation, "subject": subject}
        event = machine.history.append(self.position, kind, place | fields)
        self._changed[machine.uuid] = self.position
        self._changed.move_to_end(machine.uuid)
        if self.client is not None and not machine.fails(Failure.LOST_EVENT):
            self.client.told(self.name, event, self._request)
        return self.position

    def ended(self, machine: Machine) -> None:
        """A domain is off; its history is kept for a while."""
        del self._machines[machine.uuid]
        self._off[machine.uuid] = machine
        self._off.move_to_end(machine.uuid)
        while len(self._off) > REMEMBERED:
            uuid, oldest = self._off.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest.history.head)
            self._changed.pop(uuid, None)

    # Its client and its manners.

    def open(self, client: Client) -> None:
        """Have this client from now on; the one before is cut off."""
        previous, self.client = self.client, client
        if previous is not None and previous is not client:
            previous.cut()

    def left(self, client: Client) -> None:
        """A connection has ended."""
        if self.client is client:
            self.client = None

    @contextmanager
    def on_behalf(self, request: int) -> Iterator[None]:
        """What happens meanwhile is brought about by this request of the client."""
        self._request = request
        try:
            yield
        finally:
            self._request = None

    def set_failures(self, machine: Machine | None, fail: frozenset[Failure]) -> None:
        """Replace the failures of a domain, or those of the whole host; what had to wait goes on."""
        if machine is None:
            self.parameters = replace(self.parameters, fail=fail)
        else:
            machine.fail = fail
        for one in list(self._machines.values()) if machine is None else [machine]:
            if not one.hung:
                one.answer_parked()
                one.catch_up()

    def loses_answer(self, machine: Machine) -> bool:
        """Whether this answer is to be lost; if so, the next one is not."""
        if not machine.fails(Failure.LOST_ANSWER):
            return False
        machine.fail -= {Failure.LOST_ANSWER}
        self.parameters = replace(self.parameters, fail=self.parameters.fail - {Failure.LOST_ANSWER})
        return True

    def _next_life(self) -> tuple[int, str]:
        self._lives += 1
        return self._lives, f"{self.boot[:8]}-{self._lives}"

    def _seed(self, index: int) -> None:
        uuid, name = seed_uuid(self.name, index), seed_name(index)
        number, incarnation = self._next_life()
        machine = Machine(self, uuid, name)
        machine.seed(number, incarnation, *seed_size(index), partial(seed_xml, self.name, index, uuid, number))
        self._machines[uuid] = machine
