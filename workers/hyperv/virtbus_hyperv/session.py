"""One host, connected to: what the facets share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from virtbus.domain import Domain
from virtbus.driver import HostFacts, HostSettings, Target, Work
from virtbus.errors import HypervisorError, NoDomain
from virtbus.observations import Observe
from virtbus_hyperv.address import address_of
from virtbus_hyperv.applying import Applying
from virtbus_hyperv.capabilities import capabilities
from virtbus_hyperv.definition import split
from virtbus_hyperv.known import Known
from virtbus_hyperv.machines import Machine, Machines
from virtbus_hyperv.management import Management, request_seconds
from virtbus_hyperv.plugging import Plugging
from virtbus_hyperv.poll import Poll
from virtbus_hyperv.settling import Settling
from virtbus_hyperv.witness import Witness
from virtbus_hyperv.wsman.client import WsMan
from virtbus_hyperv.wsman.names import CIMV2

CONNECT_SECONDS = 20.0
QUERY_SECONDS = 20.0


class Session:
    """The parts that serve one host, made anew at each connection."""

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        address = address_of(settings)
        self.host = settings.name
        self.client = WsMan(address.endpoint, address.envelope)
        self.machines = Machines(self.client)
        self.management = Management(self.client, settings.name)
        self.plugging = Plugging(self.machines, self.management)
        self.applying = Applying(self.machines, self.management, self.plugging)
        self.witness = Witness(self.machines, self.client, observe)
        self.settling = Settling(self.applying, self.management, self.witness)
        self.witness.settle = self.settling.settle
        self.poll = Poll(self.machines, self.management, self.witness, address.poll)

    async def open(self) -> HostFacts:
        """Ask the host what it is.

        :raises VirtbusError: it cannot be reached, or is no Hyper-V host.
        """
        windows = (await self.client.enumerate("SELECT * FROM Win32_OperatingSystem", CONNECT_SECONDS, CIMV2))[0]
        computer = (await self.client.enumerate("SELECT * FROM Win32_ComputerSystem", CONNECT_SECONDS, CIMV2))[0]
        product = await self.client.enumerate("SELECT * FROM Win32_ComputerSystemProduct", CONNECT_SECONDS, CIMV2)
        identity = product[0].text("UUID").lower() if product else ""
        if not identity:
            raise HypervisorError("the host does not say its UUID", host=self.host)
        await self.refresh_switches(CONNECT_SECONDS)
        name, domain = computer.text("DNSHostName") or windows.text("CSName"), computer.text("Domain")
        return HostFacts(
            version=f"Hyper-V {windows.text('Version')}",
            machine=identity,
            boot=windows.text("LastBootUpTime"),
            fqdn=f"{name}.{domain}" if computer.truth("PartOfDomain") and domain else name,
            capabilities=capabilities(identity, computer.number("NumberOfLogicalProcessors")),
        )

    async def close(self) -> None:
        """End the connections; the machines run on."""
        await self.client.close()

    async def refresh_switches(self, timeout: float) -> None:
        """Learn the names of the virtual switches."""
        self.witness.switches = await self.machines.switches(timeout)

    def known(self, target: Target) -> Known:
        """What is known of an operation's domain.

        :raises NoDomain: the host does not have it.
        """
        found = self.witness.of(target.uuid)
        if found is None:
            raise NoDomain("the host does not have the machine any more", host=target.host, domain=target.uuid,
                           hint="somebody removed it by other means")  # fmt: skip
        return found

    async def machine(self, target: Target, work: Work) -> Machine:
        """An operation's machine as it is now.

        :raises NoDomain: the host does not have it.
        """
        found = await work.until(self.machines.one(self.known(target).guid, request_seconds(work)))
        if found is None:
            raise NoDomain("the host does not have the machine any more", host=target.host, domain=target.uuid)
        return found

    @asynccontextmanager
    async def made(self, definition: Domain, work: Work, transient: str = "") -> AsyncIterator[tuple[Machine, Known]]:
        """The machine of a definition, which is made where it is not there yet; nobody else looks at it meanwhile.
        An earlier attempt may have made it."""
        assert definition.uuid is not None
        async with AsyncExitStack() as stack:
            known = self.witness.of(definition.uuid)
            if known is None:
                async with self.witness.defining:
                    guid = await work.until(self.machines.guid_of(definition.uuid, request_seconds(work)))
                    guid = guid or await self.applying.create(split(definition), work, transient=transient)
                    await stack.enter_async_context(self.witness.hold(guid))
                    machine = await self.applying.read(guid, work)
                    known = self.witness.directory.add(machine)
            else:
                await stack.enter_async_context(self.witness.hold(known.guid))
                machine = await self.applying.read(known.guid, work)
            yield machine, known

    def now(self) -> float:
        """The loop's clock."""
        return asyncio.get_running_loop().time()

    async def look(self, known: Known, work: Work) -> Machine | None:
        """Look at what a job did, so that it is observed."""
        return await work.until(self.witness.look(known.guid, request_seconds(work), work.job or None))
