"""Changing a device of a running domain in place: a table of what can be changed, and how QEMU is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from virtbus.domain import Device, Disk, Graphics, Interface, Memballoon, find, replace, resolve
from virtbus.domain.disk import DiskDevice, DiskTray, IoTune
from virtbus.domain.lookup import described
from virtbus.domain.storage import BackingStore, StorageSource
from virtbus.driver import Work
from virtbus.errors import ConfigUnsupported, HypervisorError, InternalError
from virtbus.eventkinds import EventKind
from virtbus.observations import LiveChanged
from virtbus_qemu import chains, screenchange
from virtbus_qemu.command import context_of, password
from virtbus_qemu.command.block.notes import note_disk
from virtbus_qemu.command.disk import throttle
from virtbus_qemu.command.network import link
from virtbus_qemu.host import QemuHost
from virtbus_qemu.hotplug import Plug
from virtbus_qemu.machine import Machine
from virtbus_qemu.nodenumbers import highest_node, number_nodes

MEDIUM_LIMIT = 20.0
"""Seconds for a command that opens an image."""

Described = TypeVar("Described", StorageSource, BackingStore)

_IS_GONE = ("Failed to find node", "not found")
"""What QEMU says of a node or an object that is not there."""

Apply = Callable[[QemuHost, Machine, Any, Any, bool], Awaitable[None]]


async def changed(host: QemuHost, machine: Machine, old: Device, new: Device, work: Work, *, force: bool) -> Device:
    """Make a device what is described.

    :returns: the device as it is now.
    :raises ConfigUnsupported: something differs that cannot be changed in place; the message names it.
    """
    if isinstance(old, Graphics) and isinstance(new, Graphics):
        new = screenchange.merged(old, new)
        steps: list[Apply] = [_password] if screenchange.is_due(old, new) else []
    else:
        _inherit(old, new)
        steps = _steps(old, new)
    await work.before_effect()
    for apply in steps:
        await apply(host, machine, old, new, force)
    live = machine.live.copy()
    replace(live, resolve(live, old) if isinstance(old, Graphics) else find(live, str(old.alias)), new)
    machine.live = live
    machine.rewrite()
    detail = {"alias": old.alias}
    host.observe(
        LiveChanged(
            domain=machine.uuid, cause=work.job, live=live, kind=EventKind.DEVICE_UPDATED, subject=str(old.alias),
            detail=detail,
        )
    )  # fmt: skip
    return new


def _inherit(old: Device, new: Device) -> None:
    """Take from the device that is there what a description need not say again."""
    new.alias = old.alias
    for name in ("address", "acpi", "boot", "mac", "model", "driver", "private"):
        if hasattr(new, name) and getattr(new, name) is None:
            setattr(new, name, getattr(old, name))
    if isinstance(new, Disk) and isinstance(old, Disk):
        new.target.bus = new.target.bus or old.target.bus
        # That is how it is, and not asked for.
        new.target.tray = old.target.tray
        new.readonly = new.readonly or old.readonly
        if new.backing_store is None and _same(new.source, old.source):
            new.backing_store = old.backing_store
    if isinstance(new, Interface) and isinstance(old, Interface):
        new.target = new.target or old.target


async def _link(host: QemuHost, machine: Machine, old: Interface, new: Interface, force: bool) -> None:
    up = new.link is None or str(getattr(new.link, "state", new.link)) != "down"
    command = link(str(old.alias), up=up)
    await machine.execute(command.execute, command.arguments)


async def _limits(host: QemuHost, machine: Machine, old: Disk, new: Disk, force: bool) -> None:
    command = throttle(new, new.iotune or IoTune())
    await machine.execute(command.execute, command.arguments)


async def _password(host: QemuHost, machine: Machine, old: Graphics, new: Graphics, force: bool) -> None:
    for command in password.commands(new, host.settings.display):
        await machine.execute(command.execute, command.arguments)


async def _polling(host: QemuHost, machine: Machine, old: Memballoon, new: Memballoon, force: bool) -> None:
    period = 0 if new.stats is None else int(getattr(new.stats, "period", new.stats) or 0)
    path = f"/machine/peripheral/{old.alias}"
    await machine.execute("qom-set", {"path": path, "property": "guest-stats-polling-interval", "value": period})


async def _medium(host: QemuHost, machine: Machine, old: Disk, new: Disk, force: bool) -> None:
    """Open the tray, take the old medium out, put the new one in, close the tray."""
    alias = str(old.alias)
    if new.source is not None:
        new.source.index = None
        trial = machine.live.copy()
        replace(trial, find(trial, alias), new)
        await chains.discover_disk(new, timeout=MEDIUM_LIMIT)
        number_nodes(trial, new, above=machine.nodes)
        note_disk(new, context_of(trial, machine.folder.path, host.capabilities, host.settings))
        machine.number(highest_node(trial))
    await machine.execute("blockdev-open-tray", {"id": alias, "force": force}, timeout=MEDIUM_LIMIT)
    await machine.execute("blockdev-remove-medium", {"id": alias})
    await _free(host, machine, old)
    if new.source is not None:
        # An earlier attempt may have been cut off after it had opened some images.
        await machine.free_strays()
        try:
            await _insert(host, machine, alias, new)
        except HypervisorError:
            _note_empty(host, machine, alias)
            raise
    await machine.execute("blockdev-close-tray", {"id": alias})
    new.target.tray = None


def _note_empty(host: QemuHost, machine: Machine, alias: str) -> None:
    """Note that a drive has lost its medium and got none."""
    live = machine.live.copy()
    drive = find(live, alias)
    if isinstance(drive, Disk):
        drive.source = drive.backing_store = None
        drive.target.tray = DiskTray.OPEN
    machine.live = live
    machine.rewrite()
    host.observe(
        LiveChanged(
            domain=machine.uuid, live=live, kind=EventKind.DEVICE_UPDATED, subject=alias, detail={"alias": alias}
        )
    )  # fmt: skip


async def _free(host: QemuHost, machine: Machine, device: Disk) -> None:
    """Close the images of a medium that lies in no drive; those that are not open are as good."""
    if device.source is None:
        return
    backends = machine.parts(machine.live, device, machine.folder).backends
    for command in (backend.delete() for backend in reversed(backends)):
        try:
            await machine.execute(command.execute, command.arguments)
        except HypervisorError as error:
            if not any(words in str(error.evidence.get("answer")) for words in _IS_GONE):
                raise


async def _insert(host: QemuHost, machine: Machine, alias: str, new: Disk) -> None:
    backends = _plug(host, machine, new).backends
    if not backends:
        raise InternalError("a medium has no image")
    done = 0
    try:
        for backend in backends:
            command = backend.add()
            await machine.execute(command.execute, command.arguments, timeout=MEDIUM_LIMIT)
            done += 1
        await machine.execute("blockdev-insert-medium", {"id": alias, "node-name": backends[-1].id})
    except HypervisorError:
        for backend in reversed(backends[:done]):
            command = backend.delete()
            await machine.execute(command.execute, command.arguments)
        raise


def _plug(host: QemuHost, machine: Machine, device: Device) -> Plug:
    return Plug.of(machine.live, device, host.capabilities, host.settings, machine.folder)


CHANGES: dict[type[Device], dict[str, Apply]] = {
    Interface: {"link": _link},
    Disk: {"iotune": _limits},
    Memballoon: {"stats": _polling},
}
"""Of each kind, the fields that can be changed in place; of displays see `screenchange`."""

MEDIUM_FIELDS = ("type", "source", "driver", "backing_store")
"""Of a drive with a removable medium, the fields that say which medium lies in it."""


def _steps(old: Device, new: Device) -> list[Apply]:
    table = next((fields for kind, fields in CHANGES.items() if isinstance(old, kind)), {})
    removable = isinstance(old, Disk) and old.device in (DiskDevice.CDROM, DiskDevice.FLOPPY)
    steps: list[Apply] = []
    before: dict[str, Any] = vars(old)
    for name, value in vars(new).items():
        if _same(value, before[name]):
            continue
        apply = table.get(name)
        if removable and name in MEDIUM_FIELDS:
            apply = _medium
        if apply is None:
            can = sorted(table) + (["the medium"] if removable else [])
            raise ConfigUnsupported(
                f"cannot modify {name} of {described(old)} while the domain runs",
                hint=f"what can be changed in place: {', '.join(can) or 'nothing'}",
                evidence={"path": f"/{old.element_tag}/{name}", "alias": old.alias},
            )
        if apply not in steps:
            steps.append(apply)
    return steps


def _same(new: Any, old: Any) -> bool:
    """Equal but for what only the live domain has."""
    if new == old:
        return True
    if isinstance(old, StorageSource) and isinstance(new, StorageSource):
        return bool(_bare(new) == _bare(old))
    return isinstance(old, BackingStore) and isinstance(new, BackingStore) and bool(_bare(new) == _bare(old))


def _bare(described: Described) -> Described:
    """A source or backing store without what only the live domain has: numbers, and notes of block nodes."""
    bare = described.copy()
    layer: StorageSource | BackingStore | None = bare
    while layer is not None:
        layer.index = None
        source = layer.source if isinstance(layer, BackingStore) else layer
        if source is not None:
            source.index = source.private = None
        layer = layer.backing_store if isinstance(layer, BackingStore) else None
    return bare
