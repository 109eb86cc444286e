"""Devices of running containers. A container is not asked to let go of a device: a detach is done when it returns."""

from __future__ import annotations

from typing import Any

from virtbus.domain import (
    Device,
    Disk,
    Domain,
    Filesystem,
    Form,
    Interface,
    described,
    find,
    insert,
    remove,
    replace,
)
from virtbus.domain.interface import LinkState
from virtbus.driver import Devices, Target, Work
from virtbus.errors import ConfigUnsupported, Conflict, NoDevice
from virtbus.eventkinds import EventKind
from virtbus.observations import DeviceAdded, DeviceRemoved, LiveChanged
from virtbus_lxc import live, mounts, network
from virtbus_lxc.aliases import new_alias
from virtbus_lxc.container import Container
from virtbus_lxc.definition import check_device, fill_device
from virtbus_lxc.host import LxcHost
from virtbus_lxc.plugs import Plug, plug_of

LIMIT = 20.0
"""Seconds that a step may take, where the job has more."""

CHANGEABLE: dict[type[Device], tuple[str, ...]] = {Interface: ("link",)}
"""What of each kind can be changed in place."""


class LxcDevices(Devices):
    """The facet; the driver brings the host."""

    host: LxcHost

    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """See Devices."""
        container = self.host.container(target)
        async with container.changing:
            alias = str((work.begun or {}).get("alias", ""))
            earlier = _present(container.live, alias)
            if earlier is not None:
                return earlier
            plugged = device.copy()
            fill_device(container.live, plugged)
            check_device(container.live, plugged)
            plug = _pluggable(target, plugged, "attached")
            plugged.alias = alias or plugged.alias or new_alias(container.live, plugged)
            _check_clash(target, container.live, plugged)
            if isinstance(plugged, Interface):
                live.name_ends(container.live, plugged)
            await work.before_effect(alias=plugged.alias)
            if work.begun is not None:
                # Half of it may be there since an earlier attempt.
                await plug.unplug(container, plugged, min(LIMIT, work.remaining()))
            await plug.plug(container, plugged, min(LIMIT, work.remaining()))
            changed = container.live.copy()
            insert(changed, plugged)
            container.notes.added.append(plugged.alias)
            self._commit(container, changed)
            self.host.observe(DeviceAdded(domain=target.uuid, cause=work.job, alias=plugged.alias, live=changed))
            return plugged

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        _pluggable(target, device, "detached")

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices."""
        container = self.host.container(target)
        async with container.changing:
            device = _present(container.live, alias)
            changed = container.live.copy()
            if device is not None:
                plug = _pluggable(target, device, "detached")
                await work.before_effect()
                await plug.unplug(container, device, min(LIMIT, work.remaining()))
                remove(changed, find(changed, alias))
                if alias in container.notes.added:
                    container.notes.added.remove(alias)
                else:
                    container.notes.removed.append(device.format(Form.LIVE, secure=True))
                self._commit(container, changed)
            self.host.observe(DeviceRemoved(domain=target.uuid, cause=work.job, alias=alias, live=changed))

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices."""
        container = self.host.container(target)
        async with container.changing:
            old = find(container.live, alias)
            new = device.copy()
            if type(new) is not type(old):
                raise ConfigUnsupported(
                    f"a {new.element_tag} cannot take the place of the {described(old)}",
                    host=target.host, domain=target.uuid,
                )  # fmt: skip
            fill_device(container.live, new)
            _complete_update(old, new)
            _check_change(target, old, new)
            await work.before_effect()
            if isinstance(new, Interface):
                await network.set_link(container, new, new.link or LinkState.UP, min(LIMIT, work.remaining()))
            changed = container.live.copy()
            replace(changed, find(changed, alias), new)
            self._commit(container, changed)
            self.host.observe(
                LiveChanged(
                    domain=target.uuid, cause=work.job, live=changed, kind=EventKind.DEVICE_UPDATED, subject=alias,
                    detail={"alias": alias},
                )
            )  # fmt: skip
            return new

    def _commit(self, container: Container, changed: Domain) -> None:
        container.live = changed
        container.rewrite()
        container.note()


def _present(domain: Domain, alias: str) -> Device | None:
    try:
        return find(domain, alias)
    except NoDevice:
        return None


def _complete_update(old: Device, new: Device) -> None:
    """Take from the device that is there what a description need not say again."""
    new.alias, new.address, new.acpi = old.alias, new.address or old.address, new.acpi or old.acpi
    if isinstance(new, Interface) and isinstance(old, Interface):
        new.mac, new.model = new.mac or old.mac, new.model or old.model
        new.target, new.guest = new.target or old.target, new.guest or old.guest


def _pluggable(target: Target, device: Device, verb: str) -> Plug:
    plug = plug_of(device)
    fixed = isinstance(device, Filesystem) and mounts.place(device) == "/"
    if plug is None or fixed:
        why = "it is the container's root" if fixed else f"<{device.element_tag}> devices come and go with it"
        raise ConfigUnsupported(
            f"the device ({described(device)}) cannot be {verb} while the container runs: {why}",
            host=target.host, domain=target.uuid,
            hint="change the persistent definition, and start the domain anew",
            evidence={"alias": device.alias, "path": f"/{device.element_tag}"},
        )  # fmt: skip
    return plug


def unique_keys(device: Device) -> dict[str, str]:
    """What no two devices of a running container may have, in libvirt's words."""
    keys: dict[str, str] = {}
    if isinstance(device, Disk):
        keys["target"] = device.target.dev
    if isinstance(device, Filesystem):
        keys["filesystem target"] = mounts.place(device)
    if isinstance(device, Interface):
        keys["network device with mac"] = "" if device.mac is None else str(device.mac.address).lower()
        keys["network device with name"] = "" if device.guest is None else str(device.guest.actual or device.guest.dev)
    if device.alias is not None:
        keys["alias"] = device.alias
    return keys


def _check_clash(target: Target, domain: Domain, device: Device) -> None:
    wanted = unique_keys(device)
    for other in domain.devices.every():
        for name, value in unique_keys(other).items():
            if value not in ("", "None") and wanted.get(name) == value:
                raise Conflict(
                    f"{name} {value} already exists", host=target.host, domain=target.uuid,
                    hint="give the device another one", evidence={"alias": other.alias},
                )  # fmt: skip


def _check_change(target: Target, old: Device, new: Device) -> None:
    allowed = next((names for kind, names in CHANGEABLE.items() if isinstance(old, kind)), ())
    before: dict[str, Any] = vars(old)
    for name, value in vars(new).items():
        if name not in allowed and value != before[name]:
            raise ConfigUnsupported(
                f"cannot modify '{name}' of the device {described(old)} while the container runs",
                host=target.host, domain=target.uuid,
                hint=f"what can be changed in place: {', '.join(allowed) or 'nothing'}",
                evidence={"path": f"/{old.element_tag}/{name}"},
            )  # fmt: skip
