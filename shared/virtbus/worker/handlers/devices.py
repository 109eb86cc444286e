"""Devices: the live ones through the driver, the persistent ones here; by alias, whatever their kind."""

from __future__ import annotations

from typing import cast

from virtbus.domain import (
    Device,
    Disk,
    Form,
    complete_device,
    find,
    insert,
    parse_device,
    remove,
    replace,
    resolve,
)
from virtbus.domain.device import USER_ALIAS
from virtbus.domain.disk import DiskDevice
from virtbus.domain.storage import StorageSource, StorageType
from virtbus.driver import Devices
from virtbus.errors import ConfigUnsupported, NoDevice
from virtbus.operations.device import (
    AttachDevice,
    Attachment,
    ChangeMedia,
    DetachDescribed,
    DetachDevice,
    Detachment,
    UpdateDevice,
)
from virtbus.operations.fields import Affect
from virtbus.worker.handlers.affect import affected
from virtbus.worker.handlers.case import Case, Handler
from virtbus.worker.handlers.persistent import commit, committed, persistent
from virtbus.worker.removal import detach_live


async def attach(case: Case) -> Attachment:
    """Attach a device to the live domain, the definition, or both."""
    operation = cast(AttachDevice, case.operation)
    config, live = affected(case, operation.affect)
    definition = await case.desk.definition()
    device = parse_device(operation.xml)
    driver = case.facet(Devices) if live else None
    if live and definition.live is not None:
        complete_device(definition.live, device)
    changed = None
    if config and not case.repeated:
        changed = (await persistent(case)).copy()
        insert(changed, parse_device(operation.xml))
    async with committed(case, changed):
        if driver is None:
            return Attachment(alias=device.alias, xml=device.format())
        attached = await driver.attach(await case.desk.target(), device, case.work)
    await case.desk.recorded()
    return Attachment(alias=attached.alias, xml=attached.format(Form.LIVE))


async def detach(case: Case) -> Detachment:
    """Detach the device with this alias."""
    operation = cast(DetachDevice, case.operation)
    config, live = affected(case, operation.affect)
    mark = case.desk.record.pending_of(operation.alias)
    if live and mark is not None:
        # Asked for already, perhaps for the live domain alone.
        if config and not case.repeated:
            await _remove_pending(case, operation.alias)
        return await _unplug(case, operation.alias, None)
    definition = await case.desk.definition()
    chosen = definition.live if live and definition.live is not None else await persistent(case)
    return await _detach(case, config, live, find(chosen, operation.alias))


async def detach_described(case: Case) -> Detachment:
    """Detach the one device that fits a description."""
    operation = cast(DetachDescribed, case.operation)
    config, live = affected(case, operation.affect)
    mark = next((mark for mark in case.desk.record.pending if case.work.job in mark.jobs), None)
    if mark is not None:
        return await _unplug(case, mark.alias, None)
    definition = await case.desk.definition()
    chosen = definition.live if live and definition.live is not None else await persistent(case)
    return await _detach(case, config, live, resolve(chosen, parse_device(operation.xml)))


async def _detach(case: Case, config: bool, live: bool, device: Device) -> Detachment:
    if live and device.alias is not None:
        case.facet(Devices).check_detach(await case.desk.target(), device)
    if config and not case.repeated:
        changed = (await persistent(case)).copy()
        remove(changed, resolve(changed, device))
        await commit(case, changed)
    if not live or device.alias is None:
        return Detachment(alias=device.alias or "", outcome="removed", by="config")
    return await _unplug(case, device.alias, device)


async def _remove_pending(case: Case, alias: str) -> None:
    """Take a device whose removal is pending out of the persistent definition, as far as it is there."""
    live = (await case.desk.definition()).live
    changed = (await persistent(case)).copy()
    try:
        remove(changed, resolve(changed, find(live if live is not None else changed, alias)))
    except NoDevice:
        return
    await commit(case, changed)


async def _unplug(case: Case, alias: str, device: Device | None) -> Detachment:
    return await detach_live(case.desk, case.facet(Devices), alias, device, case.work, case.waiters)


async def update(case: Case) -> Attachment:
    """Change a device in place."""
    operation = cast(UpdateDevice, case.operation)
    return await _update(case, operation.alias, parse_device(operation.xml), operation.affect, operation.force)


async def change_media(case: Case) -> Attachment:
    """Change what lies in a drive."""
    operation = cast(ChangeMedia, case.operation)
    _, live = affected(case, operation.affect)
    definition = await case.desk.definition()
    chosen = definition.live if live else definition.persistent
    assert chosen is not None
    drive = find(chosen, operation.alias)
    if not isinstance(drive, Disk) or drive.device not in (DiskDevice.CDROM, DiskDevice.FLOPPY):
        raise ConfigUnsupported(
            f"the device {operation.alias} has no removable medium",
            hint="only CD-ROM and floppy drives have one",
            evidence={"alias": operation.alias},
        )
    changed = drive.copy()
    changed.type = StorageType.FILE
    changed.source = None if operation.source is None else StorageSource(file=operation.source)
    return await _update(case, operation.alias, changed, operation.affect, operation.force)


async def _update(case: Case, alias: str, device: Device, affect: Affect, force: bool) -> Attachment:
    config, live = affected(case, affect)
    driver = case.facet(Devices) if live else None
    definition = await case.desk.definition()
    present = find(definition.live, alias) if live and definition.live is not None else None
    changed = None
    if config and not case.repeated:
        changed = (await persistent(case)).copy()
        old = resolve(changed, present) if present is not None else find(changed, alias)
        wanted = device.copy()
        if wanted.alias is not None and not wanted.alias.startswith(USER_ALIAS):
            wanted.alias = None
        replace(changed, old, wanted)
    async with committed(case, changed):
        if driver is None:
            return Attachment(alias=device.alias, xml=device.format())
        updated = await driver.update(await case.desk.target(), alias, device, case.work, force=force)
    await case.desk.recorded()
    return Attachment(alias=updated.alias, xml=updated.format(Form.LIVE))


HANDLERS: dict[str, Handler] = {
    "device.attach": attach,
    "device.detach": detach,
    "device.detach-described": detach_described,
    "device.update": update,
    "device.change-media": change_media,
}
