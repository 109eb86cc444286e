"""What the tests hold: a lab per driver, and domains in it, reached through the SDK as any user would."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from tests.contract.drivers import LIMIT, DriverCase, Guest, Misfortune, boots
from tests.stack import Service, Stack
from virtbus.client import Client
from virtbus.client.job import Job
from virtbus.domain import Domain
from virtbus.errors import NoDomain, VirtbusError, WrongState
from virtbus.eventkinds import EventKind
from virtbus.operations import Operation
from virtbus.operations.device import DeviceList, DeviceSummary, ListDevices
from virtbus.operations.domain import (
    DefineDomain,
    DestroyDomain,
    DomainStatus,
    DomainSummary,
    GetDomain,
    GetDomainXml,
    StartDomain,
    UndefineDomain,
)
from virtbus.records import Event, JobState
from virtbus.state import DomainState

ResultT = TypeVar("ResultT", bound=BaseModel)
E = TypeVar("E", bound=VirtbusError)
_numbers = itertools.count(1)


@dataclass
class Lab:
    """A driver's host, and the domains that the tests made there."""

    stack: Stack
    client: Client
    case: DriverCase
    facets: frozenset[str]
    vms: list[Vm] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.case.host.name

    @property
    def worker(self) -> Service:
        """The process that serves the host."""
        return self.stack.workers[self.host]

    def vm(self, guest: Guest = Guest.DEAF, uuid: UUID | None = None) -> Vm:
        """A domain that is not yet defined."""
        number = next(_numbers)
        name = f"vm{number}{self.case.suffix.get(guest, '')}"
        vm = Vm(self, guest, name, uuid or uuid4(), self.stack.folder / f"console{number}")
        self.vms.append(vm)
        return vm

    async def defined(self, guest: Guest = Guest.DEAF) -> Vm:
        """A domain that is defined."""
        vm = self.vm(guest)
        await vm.define()
        return vm

    async def started(self, guest: Guest = Guest.DEAF, *, paused: bool = False) -> Vm:
        """A domain that is active."""
        vm = await self.defined(guest)
        await vm.start(paused=paused)
        return vm

    def device(self, kind: str) -> str:
        """The XML of a new device."""
        return self.case.pluggable[kind].format(folder=self.stack.folder)

    async def clear(self) -> None:
        """Take away every domain that was made, after a look at its history."""
        vms, self.vms = self.vms, []
        for vm in vms:
            await vm.remove()
            check_order(await vm.events())


@dataclass(eq=False)
class Vm:
    """A domain under test."""

    lab: Lab
    guest: Guest
    name: str
    uuid: UUID
    console: Path

    @property
    def where(self) -> dict[str, Any]:
        return {"host": self.lab.host, "domain": self.uuid}

    @property
    def xml(self) -> str:
        """The document that defines it."""
        words = self.lab.case.words(self.guest, self.console)
        return self.lab.case.template.format(name=self.name, uuid=self.uuid, folder=self.lab.stack.folder, **words)

    async def run(self, operation: type[Operation[ResultT]], *, timeout: float | None = None, **arguments: Any
                  ) -> ResultT:  # fmt: skip
        """Have an operation done on the domain, to its end."""
        return await self.lab.client.run(operation(**self.where, **arguments), timeout=timeout)

    async def submit(self, operation: type[Operation[ResultT]], *, timeout: float | None = None, **arguments: Any
                     ) -> Job[ResultT]:  # fmt: skip
        """Have a job accepted."""
        return await self.lab.client.submit(operation(**self.where, **arguments), timeout=timeout)

    async def define(self, xml: str | None = None) -> DomainStatus:
        return await self.lab.client.run(DefineDomain(host=self.lab.host, xml=xml or self.xml))

    async def start(self, *, paused: bool = False) -> None:
        """Start it, and have its guest boot."""
        await self.run(StartDomain, paused=paused)
        if not paused:
            await self.booted()

    async def booted(self, count: int = 1) -> None:
        """Wait until its guest has booted so many times since it was started."""
        if self.lab.case.speaks and self.guest is Guest.AWAKE:
            if self.lab.case.hears is not None:
                await self.lab.case.hears(self.name, count, 3 * LIMIT)
            else:
                await boots(self.console, count)

    async def befall(self, what: Misfortune) -> None:
        """Let something happen to it that nobody asked Virtbus for."""
        if what is Misfortune.HANGS and not self.lab.case.hangs:
            pytest.skip("none of its domains can hang")
        await self.lab.case.befall(self.lab.stack, self.uuid, what)

    async def summary(self) -> DomainSummary:
        return await self.run(GetDomain)

    async def state(self) -> DomainState:
        return (await self.summary()).state

    async def document(self, *, live: bool | None = None) -> Domain:
        return Domain.parse((await self.run(GetDomainXml, live=live)).content)

    async def devices(self, kind: str | None = None, *, live: bool | None = None) -> list[DeviceSummary]:
        found: DeviceList = await self.run(ListDevices, device_kind=kind, live=live)
        return found.devices

    async def aliases(self, *, live: bool | None = None) -> set[str | None]:
        return {device.alias for device in await self.devices(live=live)}

    async def device(self, alias: str, *, live: bool | None = None) -> DeviceSummary:
        return next(device for device in await self.devices(live=live) if device.alias == alias)

    async def next(self, wanted: Callable[[Event], bool]) -> Event:
        """The first event of the domain, or of a job on it, that is as wanted; it may still have to come."""
        async with asyncio.timeout(LIMIT), self.lab.client.events(domain=self.uuid, replay=True) as events:
            async for event in events:
                if wanted(event):
                    return event
        raise AssertionError("the stream of events ended")

    async def events(self) -> list[Event]:
        """Every event of the domain until now, those of its jobs left out."""
        stored = await self.lab.stack.bus.domains.get(f"{self.lab.host}.{self.uuid}")
        found: list[Event] = []
        if stored is None or not stored.record.generation:
            return found
        async with asyncio.timeout(LIMIT), self.lab.client.events(domain=self.uuid, replay=True) as events:
            async for event in events:
                if event.kind is not EventKind.JOB:
                    found.append(event)
                    if event.generation >= stored.record.generation:
                        break
        return found

    async def told(self) -> list[str]:
        """The same in short: `lifecycle started booted`, `device-added ua-new`, `reboot`."""
        return [short(event) for event in await self.events()]

    async def unmarked(self) -> None:
        """Wait until no removal is pending: the mark goes when the jobs that waited have ended."""
        async with asyncio.timeout(LIMIT):
            # No event tells of a mark.
            while (await self.summary()).pending:
                await asyncio.sleep(0.01)

    async def remove(self) -> None:
        """Take it away, whatever its state."""
        for operation in (DestroyDomain, UndefineDomain):
            with contextlib.suppress(NoDomain, WrongState):
                await self.run(operation)


def short(event: Event) -> str:
    """An event in a few words."""
    said = (event.detail.get(name) for name in ("event", "detail", "alias"))
    return " ".join([str(event.kind), *(str(word) for word in said if word)])


def once(told: list[str]) -> list[str]:
    """What was told, with resets that follow each other as one: a BIOS that finds itself reset may reset once more."""
    return [line for line, _ in itertools.groupby(told)]


def check_order(events: list[Event]) -> None:
    """A domain's events are counted without holes, and come in that order."""
    assert [event.generation for event in events] == list(range(1, len(events) + 1)), [short(event) for event in events]
    assert len({event.id for event in events}) == len(events)


def ended(job: Job[Any], state: JobState) -> Callable[[Event], bool]:
    """Whether an event tells that a job came to this state."""
    return lambda event: (
        event.kind is EventKind.JOB and event.detail["job"] == job.id and event.detail["state"] == state
    )


async def refused(what: Awaitable[Any], kind: type[E], code: str) -> E:
    """The error of something that must be refused, with libvirt's code."""
    with pytest.raises(kind) as caught:
        await what
    assert caught.value.reply().code_name == f"VIR_ERR_{code}"
    return caught.value
