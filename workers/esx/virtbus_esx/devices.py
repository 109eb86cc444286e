"""Plugging devices into running machines, out of them, and changing them: one reconfiguration each, by alias."""

from __future__ import annotations

from typing import Any

from virtbus.domain import (
    Controller,
    ControllerType,
    Device,
    Disk,
    DiskBus,
    DiskDevice,
    Domain,
    DriveAddress,
    Interface,
    buses,
    described,
    find,
)
from virtbus.domain.device import USER_ALIAS
from virtbus.driver import Devices, Target, Work
from virtbus.errors import ConfigUnsupported, Conflict, HypervisorError, NoDevice, WrongState
from virtbus.observations import DeviceRemoved
from virtbus_esx.config.places import ALIAS, place_name
from virtbus_esx.config.writing import added_options, addition, edit, removal, same, surroundings
from virtbus_esx.definition import choose_for
from virtbus_esx.host import HostPlace, networks
from virtbus_esx.machine import Machine
from virtbus_esx.making import Maker, keep_definition
from virtbus_esx.soap import Session
from virtbus_esx.strangers import refuse_strange_device
from virtbus_esx.tasks import ASK
from virtbus_esx.wire import Spec
from virtbus_esx.witness import Known, Witness

PLUGGABLE = (Disk, Interface, Controller)
"""The kinds that a running machine can gain and lose."""
PLUGGABLE_BUSES = (DiskBus.SCSI, DiskBus.SATA)

CHANGEABLE: dict[type[Device], tuple[str, ...]] = {
    Disk: ("iotune",),
    Interface: ("link", "source", "type"),
}
"""What of each kind can be changed in place."""
MEDIUM = ("type", "source", "driver", "readonly", "startup_policy")
"""What of a drive with a removable medium can be changed besides."""


class EsxDevices(Devices):
    """The facet; the driver brings the session."""

    session: Session
    place: HostPlace
    witness: Witness
    maker: Maker

    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """See Devices."""
        known = self.witness.require(target)
        wanted = device.copy()
        async with self.witness.held(known.ref):
            machine = _running(target, known)
            alias = str((work.begun or {}).get("alias", ""))
            if alias and (there := _with_alias(machine.configured.domain, alias)) is not None:
                return there
            self._prepare(target, machine, wanted)
            await work.before_effect(alias=wanted.alias or place_name(wanted))
            await self.maker.reconfigure(known, await self._adding(machine, wanted), work)
            found = await self.witness.look_held(known, cause=work.job)
        return self._attached(target, found, wanted)

    def _prepare(self, target: Target, machine: Machine, device: Device) -> None:
        """Complete a device and refuse what cannot be plugged, before anything is sent."""
        domain = machine.configured.domain
        if isinstance(device, Disk):
            buses.place_disk(domain, device)
        choose_for(device)
        _refuse_unpluggable(target, device, "attached")
        refuse_strange_device(device)
        if isinstance(device, Disk):
            _require_controller(target, domain, device)
        for other in domain.devices.every():
            for name, value in _keys(other).items():
                if _keys(device).get(name) == value:
                    raise Conflict(
                        f"{name} {value} already exists", host=target.host, domain=target.uuid,
                        hint="give the device another one", evidence={"alias": other.alias},
                    )  # fmt: skip

    async def _adding(self, machine: Machine, device: Device) -> Spec:
        around = surroundings(machine.configured, await networks(self.session, self.place, ASK))
        options = [Spec("OptionValue", key=key, value=value) for key, value in added_options([device]).items()]
        spec = Spec("VirtualMachineConfigSpec", deviceChange=addition(device, -1, around), extraConfig=options)
        return keep_definition(machine, spec)

    def _attached(self, target: Target, machine: Machine | None, device: Device) -> Device:
        name = place_name(device)
        for each in machine.configured.domain.devices.every() if machine is not None else ():
            if place_name(each) == name:
                return each
        raise HypervisorError(
            f"the host took the {described(device)} and does not have it", host=target.host, domain=target.uuid
        )

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        _refuse_unpluggable(target, device, "detached")
        live = target.live
        if isinstance(device, Controller) and live is not None:
            sitting = [disk.target.dev for disk in live.devices.disks if _sits_on(disk, device)]
            if sitting:
                raise WrongState(
                    f"the controller {device.alias} is in use by {', '.join(sitting)}",
                    host=target.host, domain=target.uuid, hint="detach these first",
                )  # fmt: skip

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices. The host takes a device out at once; the guest is not asked."""
        known = self.witness.require(target)
        async with self.witness.held(known.ref):
            machine = _running(target, known)
            device = _with_alias(machine.configured.domain, alias)
            if device is None:
                found = await self.witness.look_held(known, cause=work.job)
                if found is not None and found.live is not None:
                    self.witness.tell(DeviceRemoved(domain=target.uuid, cause=work.job, alias=alias, live=found.live))
                return
            spec = Spec("VirtualMachineConfigSpec", deviceChange=[removal(device, machine.configured)])
            if alias.startswith(USER_ALIAS):
                spec.values["extraConfig"] = [Spec("OptionValue", key=f"{ALIAS}{place_name(device)}", value="")]
            await self.maker.reconfigure(known, keep_definition(machine, spec), work)
            await self.witness.look_held(known, cause=work.job)

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices."""
        known = self.witness.require(target)
        async with self.witness.held(known.ref):
            machine = _running(target, known)
            old = find(machine.configured.domain, alias)
            new = device.copy()
            _complete_update(old, new)
            _check_change(target, old, new)
            refuse_strange_device(new)
            if same(old, new):
                return old
            around = surroundings(machine.configured, await networks(self.session, self.place, ASK))
            change = edit(new, machine.configured.hardware.keys[id(old)], machine.configured, around)
            spec = Spec("VirtualMachineConfigSpec", deviceChange=[change])
            await self.maker.reconfigure(known, keep_definition(machine, spec), work)
            found = await self.witness.look_held(known, cause=work.job)
        if found is None:
            raise NoDevice("the machine is gone", host=target.host, domain=target.uuid)
        return find(found.configured.domain, alias)


def _running(target: Target, known: Known) -> Machine:
    if known.machine is None or not known.machine.active:
        raise WrongState("the domain is not running", host=target.host, domain=target.uuid)
    return known.machine


def _with_alias(domain: Domain, alias: str) -> Device | None:
    return next((each for each in domain.devices.every() if each.alias == alias), None)


def _keys(device: Device) -> dict[str, str]:
    """What no two devices of a machine may have, in libvirt's words."""
    keys: dict[str, str] = {}
    if isinstance(device, Disk):
        keys["target"] = f"{device.target.dev}"
        keys["address"] = place_name(device) or ""
    if isinstance(device, Interface) and device.mac is not None:
        keys["network device with mac"] = device.mac.address.lower()
    if isinstance(device, Controller):
        keys["controller"] = f"{device.type.value}:{device.index or 0}"
    if device.alias is not None:
        keys["alias"] = device.alias
    return keys


def _refuse_unpluggable(target: Target, device: Device, verb: str) -> None:
    reason = _why_not(device)
    if reason is not None:
        raise ConfigUnsupported(
            f"the device ({described(device)}) cannot be {verb} while the domain runs: {reason}",
            host=target.host, domain=target.uuid, hint="change the persistent definition, and start the domain anew",
            evidence={"alias": device.alias, "path": f"/{device.element_tag}"},
        )  # fmt: skip


def _why_not(device: Device) -> str | None:
    """Why a device can be neither plugged nor unplugged; None if it can."""
    if not isinstance(device, PLUGGABLE):
        return f"<{device.element_tag}> devices of a VMware machine come and go while it is off"
    if isinstance(device, Disk) and device.target.bus not in PLUGGABLE_BUSES:
        return f"disk bus '{device.target.bus}' cannot be hotplugged"
    if isinstance(device, Disk) and device.device is not DiskDevice.DISK:
        return "drives with removable media cannot be hotplugged"
    if isinstance(device, Controller) and device.type not in (ControllerType.SCSI, ControllerType.SATA):
        return f"'{device.type.value}' controllers cannot be hotplugged"
    return None


def _require_controller(target: Target, domain: Domain, disk: Disk) -> None:
    address = disk.address
    for controller in domain.devices.controllers:
        if _sits_on(disk, controller):
            return
    where = "" if not isinstance(address, DriveAddress) else str(address.controller)
    raise ConfigUnsupported(
        f"the domain has no {disk.target.bus} controller {where} for {described(disk)}",
        host=target.host, domain=target.uuid, hint="attach the controller first, or choose another target",
    )  # fmt: skip


def _sits_on(disk: Disk, controller: Controller) -> bool:
    if disk.target.bus is None or buses.CONTROLLER_OF_BUS.get(disk.target.bus) is not controller.type:
        return False
    return isinstance(disk.address, DriveAddress) and disk.address.controller == (controller.index or 0)


def _complete_update(old: Device, new: Device) -> None:
    """Take from the device that is there what a description need not say again."""
    if type(new) is not type(old):
        raise ConfigUnsupported(f"a {new.element_tag} cannot take the place of the {described(old)}")
    new.alias, new.address = old.alias, new.address or old.address
    if isinstance(new, Disk) and isinstance(old, Disk):
        new.target.bus = new.target.bus or old.target.bus
    if isinstance(new, Interface) and isinstance(old, Interface):
        new.mac = new.mac or old.mac
        new.model = new.model or old.model
    choose_for(new)


def _check_change(target: Target, old: Device, new: Device) -> None:
    allowed = next((names for kind, names in CHANGEABLE.items() if isinstance(old, kind)), ())
    if isinstance(old, Disk) and old.device in (DiskDevice.CDROM, DiskDevice.FLOPPY):
        allowed += MEDIUM
    before: dict[str, Any] = vars(old)
    for name, value in vars(new).items():
        if name not in allowed and value != before[name]:
            raise ConfigUnsupported(
                f"cannot modify '{name}' of the device {described(old)} while the domain runs",
                host=target.host, domain=target.uuid,
                hint=f"what can be changed in place: {', '.join(allowed) or 'nothing'}",
                evidence={"path": f"/{old.element_tag}/{name}"},
            )  # fmt: skip
