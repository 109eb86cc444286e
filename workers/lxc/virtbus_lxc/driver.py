"""The LXC driver: libvirt's domain XML on containers of this machine.

The URI is `lxc:///`. Option: `lxcpath`, the folders of containers that others made, separated by colons
(/var/lib/lxc unless it is given).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Mapping
from uuid import UUID

from virtbus.domain import Domain
from virtbus.driver import Driver, HostFacts, HostSettings, Known, Work
from virtbus.errors import HypervisorError, InvalidArgument, WrongState
from virtbus.observations import Observe, Observed
from virtbus.worker.service import boot_id, machine_id
from virtbus_lxc.definition import complete
from virtbus_lxc.devices import LxcDevices
from virtbus_lxc.host import LxcHost
from virtbus_lxc.hostcapabilities import host_capabilities
from virtbus_lxc.lifecycle import LxcLifecycle
from virtbus_lxc.processes import LxcProcesses
from virtbus_lxc.snapshots import LxcSnapshots, in_order
from virtbus_lxc.statistics import LxcStatistics
from virtbus_lxc.tools import run
from virtbus_lxc.tuning import LxcTuning

URIS = ("lxc:", "lxc:/", "lxc://", "lxc:///", "lxc:///system", "lxc://system")
CONNECT_LIMIT = 10.0
"""Seconds that LXC is given to say its version."""


class LxcDriver(
    LxcLifecycle, LxcDevices, LxcTuning, LxcStatistics, LxcProcesses, LxcSnapshots, Driver
):  # fmt: skip
    """Serves the containers of one host. A container has no screen, no monitor of its own and cannot be saved."""

    family = "lxc"

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        super().__init__(settings, observe)
        self.host = LxcHost(settings, observe)

    async def connect(self) -> HostFacts:
        """See Driver.

        :raises InvalidArgument: the URI is none of this machine's LXC.
        :raises HypervisorError: LXC is not installed, or the worker is not root.
        """
        if self.settings.uri not in URIS:
            raise InvalidArgument(
                f"'{self.settings.uri}' is no URI of the LXC driver", host=self.settings.name,
                hint="it is lxc:/// - a worker serves the containers of the machine it runs on",
            )  # fmt: skip
        if os.geteuid() != 0:
            raise HypervisorError("containers need root", host=self.settings.name, hint="run the worker as root")
        version = (await run("lxc-start", "--version", timeout=CONNECT_LIMIT)).strip()
        await asyncio.to_thread(self.host.settings.own.mkdir, parents=True, exist_ok=True)
        return HostFacts(
            version=f"LXC {version}",
            machine=machine_id(),
            boot=boot_id(),
            fqdn=socket.getfqdn(),
            capabilities=host_capabilities(machine_id()),
        )

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """See Driver. Containers that others made are taken over."""
        return await self.host.inventory(known)

    async def watch(self) -> None:
        """See Driver."""
        await self.host.watch()

    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """See Driver."""
        return complete(domain, previous)

    async def undefined(self, domain: Domain, work: Work, *, nvram: bool, keep_nvram: bool) -> None:
        """See Driver: what LXC has of a container that Virtbus made. One that others made stays as it is.

        :raises WrongState: it has snapshots.
        """
        assert domain.uuid is not None
        if domain.uuid in self.host.foreign:
            return
        folder = self.host.own_folder(domain.uuid)
        kept = await asyncio.to_thread(in_order, folder)
        if kept:
            raise WrongState(
                f"cannot delete inactive domain with {len(kept)} snapshots", host=self.settings.name,
                domain=domain.uuid, hint="delete the snapshots first",
            )  # fmt: skip
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def close(self) -> None:
        """See Driver."""
        await self.host.close()
