"""Disks and interfaces as Xen sees them: a backend in dom0, a frontend in the guest, and nodes of both in the xenstore.

A device is taken away by both halves closing (Xen: io/xenbus.h, enum xenbus_state): the backend is asked to close,
asks the frontend, and is closed when the guest has let go.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtbus.domain import Device, Disk, Domain, Interface
from virtbus_xen.xenstore import XenStore
from virtbus_xen.xl import Xl

BACKENDS = "/local/domain/0/backend"
CLOSING, CLOSED = "5", "6"


@dataclass(frozen=True)
class Backend:
    """The backend of a device."""

    kind: str
    """vbd or vif."""
    domid: int
    number: str
    path: str


class Backends:
    """The backends of a host's devices."""

    def __init__(self, store: XenStore, xl: Xl) -> None:
        self._store, self._xl = store, xl

    async def of(self, domid: int, live: Domain, alias: str) -> Backend | None:
        """The backend of the device with this alias; None where there is none."""
        for device in (*live.devices.disks, *live.devices.interfaces):
            if device.alias == alias:
                return await self.find(domid, device)
        return None

    async def find(self, domid: int, device: Device) -> Backend | None:
        """The backend of a device."""
        kind, key, wanted = _key(device)
        for number in await self._store.list(f"/libxl/{domid}/device/{kind}"):
            path = await self._store.read(f"/libxl/{domid}/device/{kind}/{number}/backend")
            said = await self._store.read(f"/libxl/{domid}/device/{kind}/{number}/{key}")
            if path and said is not None and said.lower() == wanted:
                return Backend(kind, domid, number, path)
        return None

    async def state(self, backend: Backend) -> str | None:
        """Where the backend stands; None where it is gone."""
        return await self._store.read(f"{backend.path}/state")

    async def ask(self, backend: Backend) -> None:
        """Ask the guest to let go of the device."""
        await self._store.write(f"{backend.path}/online", "0")
        await self._store.write(f"{backend.path}/state", CLOSING)

    async def remove(self, backend: Backend) -> None:
        """Take away what served a device that the guest has let go of."""
        verb = "block-detach" if backend.kind == "vbd" else "network-detach"
        await self._xl.ask(verb, str(backend.domid), backend.number)


def _key(device: Device) -> tuple[str, str, str]:
    """The class of a device, and the node by whose value it is found."""
    if isinstance(device, Disk):
        return "vbd", "dev", device.target.dev.lower()
    assert isinstance(device, Interface)
    return "vif", "mac", device.mac.address.lower() if device.mac is not None else ""
