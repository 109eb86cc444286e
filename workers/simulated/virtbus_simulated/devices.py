"""Plugging devices into simulated domains, out of them, and changing them: one mechanism for every kind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from virtbus.domain import (
    Channel,
    Controller,
    ControllerType,
    Device,
    Disk,
    DiskBus,
    DiskDevice,
    Domain,
    Filesystem,
    Form,
    Graphics,
    Hostdev,
    Input,
    InputBus,
    Interface,
    Memballoon,
    MemoryDevice,
    Redirdev,
    Rng,
    Shmem,
    Vsock,
    Watchdog,
    complete_device,
    described,
    find,
)
from virtbus.domain.smalldevice import Crypto
from virtbus.domain.watchdog import WatchdogModel
from virtbus.driver import Devices, Target, Work
from virtbus.errors import ConfigUnsupported, Conflict, NoDevice, WrongState
from virtbus.observations import DeviceRemoved, Observe
from virtbus_simulated.aliases import new_alias
from virtbus_simulated.ledger import REMOVAL
from virtbus_simulated.session import Session, find_entry

PLUGGABLE = (
    Disk, Interface, Controller, Rng, MemoryDevice, Watchdog, Input, Channel, Hostdev, Filesystem, Redirdev, Shmem,
    Vsock, Crypto,
)  # fmt: skip
"""The kinds that a running domain can gain and lose, as on libvirt's QEMU driver."""

PLUGGABLE_BUSES = (DiskBus.VIRTIO, DiskBus.USB, DiskBus.SCSI)

CHANGEABLE: dict[type[Device], tuple[str, ...]] = {
    Disk: ("serial", "iotune", "snapshot"),
    Interface: ("link", "source", "bandwidth", "filter", "vlan", "virtual_port", "trust_guest_rx_filters"),
    Graphics: ("password", "password_valid_to", "connected", "listens"),
    Memballoon: ("stats",),
    MemoryDevice: ("target",),
}
"""What of each kind can be changed in place."""

MEDIUM = ("type", "source", "driver", "backing_store", "encryption", "auth", "readonly")
"""What of a drive with a removable medium can be changed besides."""


class SimulatedDevices(Devices):
    """The facet; the driver brings the session."""

    session: Session
    observe: Observe

    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """See Devices."""
        earlier = await self.session.since(target.uuid, work)
        alias = str((work.begun or {}).get("alias", ""))
        if (entry := find_entry(earlier, "device-added", alias)) is not None:
            return find(Domain.parse(entry["xml"]), alias)
        live = _live(target)
        plugged = device.copy()
        complete_device(live, plugged)
        _check_pluggable(target, plugged, "attached")
        plugged.alias = alias or plugged.alias or new_alias(plugged, _aliases(live))
        _check_clash(target, live, plugged)
        await work.before_effect(position=self.session.ledger.latest, alias=plugged.alias)
        await self.session.change(
            target.uuid, "plug", work, alias=plugged.alias, xml=plugged.format(Form.LIVE, secure=True)
        )
        return plugged

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        _check_pluggable(target, device, "detached")
        if isinstance(device, Controller):
            self._check_controller(target, device)

    def _check_controller(self, target: Target, controller: Controller) -> None:
        sitting = [disk.target.dev for disk in _live(target).devices.disks if _sits_on(disk, controller)]
        if sitting:
            raise WrongState(
                f"the controller {controller.alias} is in use by {', '.join(sitting)}",
                host=target.host, domain=target.uuid, hint="detach these first",
            )  # fmt: skip

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices."""
        self.session.ledger.asked(target.uuid, f"{REMOVAL}{alias}", work.job)
        try:
            await self.session.once(target.uuid, "unplug", "unplug-asked", work, subject=alias, alias=alias)
        except NoDevice:
            self.session.ledger.unasked(target.uuid, f"{REMOVAL}{alias}")
            await self._already_gone(target.uuid, alias, work)
        except WrongState as error:
            if error.evidence.get("kind") != "pending":
                raise

    async def _already_gone(self, uuid: UUID, alias: str, work: Work) -> None:
        await self.session.catch_up(uuid)
        found = await self.session.query("describe", domain=str(uuid))
        self.observe(DeviceRemoved(domain=uuid, cause=work.job, alias=alias, live=Domain.parse(found["xml"])))

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices."""
        old = find(_live(target), alias)
        new = device.copy()
        if type(new) is not type(old):
            raise ConfigUnsupported(
                f"a {new.element_tag} cannot take the place of the {described(old)}",
                host=target.host, domain=target.uuid,
            )  # fmt: skip
        complete_update(old, new)
        complete_device(_live(target), new)
        _check_change(target, old, new)
        await self.session.once(
            target.uuid,
            "change",
            "device-changed",
            work,
            subject=alias,
            alias=alias,
            xml=new.format(Form.LIVE, secure=True),
        )
        return new


def complete_update(old: Device, new: Device) -> None:
    """Take from the device that is there what a description need not say again."""
    new.alias, new.address, new.acpi = old.alias, new.address or old.address, new.acpi or old.acpi
    if isinstance(new, Disk) and isinstance(old, Disk):
        new.target.bus = new.target.bus or old.target.bus
        new.driver = new.driver or (None if old.driver is None else old.driver.copy())
    if isinstance(new, Interface) and isinstance(old, Interface):
        new.mac = new.mac or old.mac
        new.model = new.model or old.model
        new.target = new.target or old.target


def _live(target: Target) -> Domain:
    if target.live is None:
        raise WrongState("the domain is not running", host=target.host, domain=target.uuid)
    return target.live


def _aliases(domain: Domain) -> list[str]:
    return [device.alias for device in domain.devices.every() if device.alias is not None]


def unique_keys(device: Device) -> dict[str, str]:
    """What no two devices of a running domain may have, in libvirt's words."""
    keys: dict[str, str] = {}
    if isinstance(device, Disk):
        keys["target"] = device.target.dev
    if isinstance(device, Interface) and device.mac is not None:
        keys["network device with mac"] = str(device.mac.address).lower()
    if isinstance(device, Controller):
        keys["controller"] = f"{device.type.value}:{device.index or 0}"
    if device.alias is not None:
        keys["alias"] = device.alias
    return keys


def _check_clash(target: Target, live: Domain, device: Device) -> None:
    wanted = unique_keys(device)
    for other in live.devices.every():
        for name, value in unique_keys(other).items():
            if wanted.get(name) == value:
                raise Conflict(
                    f"{name} {value} already exists", host=target.host, domain=target.uuid,
                    hint="give the device another one", evidence={"alias": other.alias},
                )  # fmt: skip


def _check_pluggable(target: Target, device: Device, verb: str) -> None:
    reason = _why_not(device)
    if reason is not None:
        raise ConfigUnsupported(
            f"the device ({described(device)}) cannot be {verb} while the domain runs: {reason}",
            host=target.host,
            domain=target.uuid,
            hint="change the persistent definition, and start the domain anew",
            evidence={"alias": device.alias, "path": f"/{device.element_tag}"},
        )


def _why_not(device: Device) -> str | None:
    """Why a device can be neither plugged nor unplugged; None if it can."""
    if not isinstance(device, PLUGGABLE):
        return f"<{device.element_tag}> devices come and go with the domain"
    if isinstance(device, Disk) and device.target.bus not in PLUGGABLE_BUSES:
        bus = "?" if device.target.bus is None else device.target.bus.value
        return f"disk bus '{bus}' cannot be hotplugged"
    if isinstance(device, Disk) and device.device is DiskDevice.FLOPPY:
        return "floppy drives cannot be hotplugged"
    if isinstance(device, Controller) and device.type is not ControllerType.SCSI:
        return f"'{device.type.value}' controllers cannot be hotplugged"
    if isinstance(device, Input) and device.bus is InputBus.PS2:
        return "ps2 devices cannot be hotplugged"
    if isinstance(device, Watchdog) and device.model is not WatchdogModel.I6300ESB:
        return f"watchdog model '{device.model.value}' cannot be hotplugged"
    return None


def _sits_on(disk: Disk, controller: Controller) -> bool:
    if disk.target.bus is not DiskBus.SCSI:
        return False
    return int(getattr(disk.address, "controller", 0)) == (controller.index or 0)


def _check_change(target: Target, old: Device, new: Device) -> None:
    allowed = next((names for kind, names in CHANGEABLE.items() if isinstance(old, kind)), ())
    if isinstance(old, Disk) and old.device in (DiskDevice.CDROM, DiskDevice.FLOPPY):
        allowed += MEDIUM
    before: dict[str, Any] = vars(old)
    for name, value in vars(new).items():
        if name not in allowed and value != before[name]:
            raise ConfigUnsupported(
                f"cannot modify '{name}' of the device {described(old)} while the domain runs",
                host=target.host,
                domain=target.uuid,
                hint=f"what can be changed in place: {', '.join(allowed) or 'nothing'}",
                evidence={"path": f"/{old.element_tag}/{name}"},
            )
