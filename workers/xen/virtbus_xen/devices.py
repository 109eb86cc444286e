"""Plugging and unplugging disks and interfaces of running Xen domains."""

from __future__ import annotations

from virtbus.domain import (
    Device,
    Disk,
    DiskBus,
    DiskDevice,
    Domain,
    Interface,
    complete_device,
    described,
    find,
    insert,
    replace,
)
from virtbus.domain.interface import LinkState
from virtbus.driver import Devices, Target, Work
from virtbus.errors import ConfigUnsupported, Conflict
from virtbus.eventkinds import EventKind
from virtbus.observations import DeviceAdded, DeviceRemoved, LiveChanged
from virtbus_xen import aliases
from virtbus_xen.config import disks, interfaces
from virtbus_xen.config.guest import is_full
from virtbus_xen.host import Host
from virtbus_xen.run import Run


class XenDevices(Devices):
    """The facet; the driver brings the host."""

    host: Host

    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """See Devices."""
        run = self.host.run(target)
        plugged = device.copy()
        complete_device(run.live, plugged)
        _check_pluggable(target, plugged, "attached")
        mark = (work.begun or {}).get("alias")
        plugged.alias = plugged.alias or mark or aliases.new_alias(run.live, plugged)
        if mark is not None and any(each.alias == mark for each in run.live.devices.every()):
            return find(run.live, mark)
        _check_clash(target, run.live, plugged)
        words = _words(run, plugged)
        await work.before_effect(alias=plugged.alias)
        if mark is None or await self.host.backends.find(run.domid, plugged) is None:
            await work.until(self.host.xl.ask(*words))
        insert(run.live, plugged.copy())
        await self.host.notes.define(run.uuid, run.live)
        self.host.observe(DeviceAdded(domain=run.uuid, cause=work.job, alias=plugged.alias, live=run.live.copy()))
        return plugged

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        _check_pluggable(target, device, "detached")

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices."""
        run = self.host.run(target)
        backend = await self.host.backends.of(run.domid, run.live, alias)
        if backend is None:
            live = run.live.copy()
            live.devices.disks = [each for each in live.devices.disks if each.alias != alias]
            live.devices.interfaces = [each for each in live.devices.interfaces if each.alias != alias]
            run.live = live
            await self.host.notes.define(run.uuid, live)
            self.host.observe(DeviceRemoved(domain=run.uuid, cause=work.job, alias=alias, live=live.copy()))
            return
        run.removals[alias] = work.job
        await work.before_effect()
        await self.host.backends.ask(backend)
        await self.host.look_at_removal(run, alias)

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices. What can be changed is an interface's link, and the medium of a full guest's drive."""
        run = self.host.run(target)
        old = find(run.live, alias)
        new = device.copy()
        if type(new) is not type(old):
            raise ConfigUnsupported(f"a {new.element_tag} cannot take the place of the {described(old)}",
                                    host=target.host, domain=target.uuid)  # fmt: skip
        new.alias, new.address = old.alias, new.address or old.address
        complete_device(run.live, new)
        words = self._change(run, old, new)
        if words is None:
            link = link_of(target, old, new)
            backend = await self.host.backends.find(run.domid, old)
            if link is None or backend is None:
                return old
            await work.before_effect()
            state = "down" if link is LinkState.DOWN else "up"
            await work.until(self.host.xl.shell(f"ip link set dev vif{run.domid}.{backend.number} {state}"))
        else:
            await work.before_effect()
            await work.until(self.host.xl.ask(*words))
        replace(run.live, old, new.copy())
        await self.host.notes.define(run.uuid, run.live)
        self.host.observe(LiveChanged(domain=run.uuid, cause=work.job, live=run.live.copy(), subject=alias,
                                      kind=EventKind.DEVICE_UPDATED, detail={"alias": alias}))  # fmt: skip
        return new

    def _change(self, run: Run, old: Device, new: Device) -> tuple[str, ...] | None:
        """What has xl change the medium of a full guest's drive; None where no medium is meant."""
        if not isinstance(new, Disk) or not isinstance(old, Disk) or old.device is not DiskDevice.CDROM:
            return None
        if not is_full(run.live):
            return None
        path = disks.path_of(new)
        place = (str(run.domid), new.target.dev)
        return ("cd-insert", *place, path) if path else ("cd-eject", *place)


def _words(run: Run, device: Device) -> tuple[str, ...]:
    if isinstance(device, Disk):
        return "block-attach", str(run.domid), disks.format_disk(device)
    assert isinstance(device, Interface)
    return "network-attach", str(run.domid), *interfaces.format_interface(device, full=is_full(run.live)).split(",")


def _check_pluggable(target: Target, device: Device, verb: str) -> None:
    reason = None
    if not isinstance(device, Disk | Interface):
        reason = f"<{device.element_tag}> devices come and go with the domain"
    elif isinstance(device, Disk) and device.target.bus is not DiskBus.XEN:
        reason = f"disk bus '{device.target.bus}' cannot be hotplugged"
    elif isinstance(device, Disk) and device.device is not DiskDevice.DISK:
        reason = f"disk device type '{device.device}' cannot be hotplugged"
    if reason is not None:
        raise ConfigUnsupported(
            f"the device ({described(device)}) cannot be {verb} while the domain runs: {reason}",
            host=target.host, domain=target.uuid, hint="change the persistent definition, and start the domain anew",
            evidence={"alias": device.alias, "path": f"/{device.element_tag}"},
        )  # fmt: skip


def _keys(device: Device) -> dict[str, str | None]:
    keys: dict[str, str | None] = {"alias": device.alias}
    if isinstance(device, Disk):
        keys["target"] = device.target.dev
    if isinstance(device, Interface) and device.mac is not None:
        keys["network device with mac"] = device.mac.address.lower()
    return keys


def _check_clash(target: Target, live: Domain, device: Device) -> None:
    wanted = _keys(device)
    for other in live.devices.every():
        for name, value in _keys(other).items():
            if value is not None and wanted.get(name) == value:
                raise Conflict(f"{name} {value} already exists", host=target.host, domain=target.uuid,
                               hint="give the device another one", evidence={"alias": other.alias})  # fmt: skip


def link_of(target: Target, old: Device, new: Device) -> LinkState | None:
    """The link's state, where that is all that differs; None where nothing does.

    :raises ConfigUnsupported: something else differs.
    """
    before, link = vars(old), None
    for name, value in vars(new).items():
        if value == before[name]:
            continue
        if name == "link" and isinstance(new, Interface):
            link = new.link or LinkState.UP
            continue
        raise ConfigUnsupported(
            f"cannot modify '{name}' of the device {described(old)} while the domain runs",
            host=target.host, domain=target.uuid,
            hint="Xen changes only an interface's link and the medium of a full guest's drive",
            evidence={"path": f"/{old.element_tag}/{name}"},
        )  # fmt: skip
    return link
