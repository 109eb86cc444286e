"""The QEMU driver: libvirt's domain XML on QEMU processes of this machine.

URIs are `qemu:///system` and `qemu:///session`. Options: `emulator`, `nvram`, `memory`, `tpm` (paths), `sandbox`
(on, off), `launcher` (a command that QEMU is started through), `run_as` (a user), `vnc_listen` (an address).
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Mapping
from uuid import UUID

from virtbus.domain import Domain
from virtbus.driver import Driver, HostFacts, HostSettings, Known, Work
from virtbus.errors import InvalidArgument, WrongState
from virtbus.observations import Observe, Observed
from virtbus.worker.service import boot_id, machine_id
from virtbus_qemu import daemons
from virtbus_qemu.capabilities import probe
from virtbus_qemu.console import QemuConsole
from virtbus_qemu.definition import complete
from virtbus_qemu.devices import QemuDevices
from virtbus_qemu.host import QemuHost
from virtbus_qemu.hostcapabilities import host_capabilities
from virtbus_qemu.lifecycle import QemuLifecycle
from virtbus_qemu.monitorcommand import QemuMonitor
from virtbus_qemu.nvram import path_of, remove
from virtbus_qemu.offers import QemuOffers
from virtbus_qemu.statistics import QemuStatistics
from virtbus_qemu.tuning import QemuTuning

URIS = ("qemu:///system", "qemu:///session")


class QemuDriver(
    QemuLifecycle, QemuDevices, QemuTuning, QemuStatistics, QemuConsole, QemuMonitor, QemuOffers, Driver
):
    """Serves the QEMUs of one host."""

    family = "qemu"

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        super().__init__(settings, observe)
        self.host = QemuHost(settings, observe)

    async def connect(self) -> HostFacts:
        """See Driver; what QEMU can do is asked from the binary, and kept until that changes.

        :raises InvalidArgument: the URI is none of this machine's QEMU.
        """
        if self.settings.uri.rstrip("/") not in {uri.rstrip("/") for uri in URIS}:
            raise InvalidArgument(
                f"'{self.settings.uri}' is no URI of the QEMU driver", host=self.settings.name,
                hint=f"it is {' or '.join(URIS)}: a worker serves the QEMUs of the machine it runs on",
            )  # fmt: skip
        capabilities = await probe(
            self.host.settings.emulator, cache=self.host.cache, launcher=self.host.settings.launcher
        )
        self.host.capabilities = capabilities
        return HostFacts(
            version=f"QEMU {capabilities.version_text}",
            machine=machine_id(),
            boot=boot_id(),
            fqdn=socket.getfqdn(),
            capabilities=await asyncio.to_thread(host_capabilities, capabilities, machine_id()),
        )

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """See Driver."""
        return await self.host.inventory(known)

    async def watch(self) -> None:
        """See Driver."""
        await self.host.watch()

    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """See Driver."""
        return complete(domain, self.host.capabilities, self.host.settings)

    async def undefined(self, domain: Domain, work: Work, *, nvram: bool, keep_nvram: bool) -> None:
        """See Driver: a UEFI guest's variable store is the domain's own, and an emulated TPM's state."""
        path = path_of(domain)
        has_nvram = path is not None and not keep_nvram and await asyncio.to_thread(path.exists)
        if has_nvram and not nvram:
            raise WrongState(
                "cannot undefine domain with nvram", host=self.settings.name, domain=domain.uuid,
                hint="say what becomes of it: --nvram removes it, --keep-nvram leaves it",
                evidence={"path": str(path)},
            )  # fmt: skip
        if has_nvram:
            await asyncio.to_thread(remove, domain)
        if not any(tpm.backend.persistent_state for tpm in domain.devices.tpms):
            state = daemons.tpm_state(domain, self.host.settings)
            await asyncio.to_thread(shutil.rmtree, state, ignore_errors=True)

    async def close(self) -> None:
        """See Driver."""
        await self.host.close()
