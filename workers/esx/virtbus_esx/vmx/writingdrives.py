"""Drives of a domain into a .vmx, and what of them it cannot say."""

from __future__ import annotations

from virtbus.domain import Controller, ControllerType, Disk, DiskBus, DiskDevice, Domain, DriveAddress, disk_number
from virtbus.domain.controller import ScsiModel
from virtbus.domain.disk import DiskCache
from virtbus.domain.storage import StartupPolicy, StorageType
from virtbus.errors import ConfigUnsupported, XmlInternal
from virtbus_esx.vmx.buses import BUSES, SCSI
from virtbus_esx.vmx.drives import AUTO_DETECT, EMPTY, HOST_CDROM, SCSI_CARDS
from virtbus_esx.vmx.outgoing import Outgoing

SUFFIXES = {DiskDevice.DISK: ".vmdk", DiskDevice.CDROM: ".iso", DiskDevice.FLOPPY: ".flp", DiskDevice.LUN: ".vmdk"}
"""How the files of drives must end."""

_CARD_OF = {model: card for card, model in SCSI_CARDS.items()}
_KIND = {DiskDevice.DISK: "harddisk", DiskDevice.CDROM: "cdrom", DiskDevice.LUN: "lun", DiskDevice.FLOPPY: "floppy"}


def write_drives(domain: Domain, out: Outgoing) -> None:
    """The controllers of all drives, then the drives, then the floppy drives that there are not.

    :raises ConfigUnsupported, XmlInternal: one cannot be said.
    """
    disks = domain.devices.disks
    for disk in disks:
        check_place(disk)
        _take_driver_name(domain, disk)
    _write_controllers(domain, out)
    for disk in disks:
        if disk.device is DiskDevice.FLOPPY:
            _write_floppy(disk, out)
        else:
            _write_disk(disk, out)
    floppies = {_address(disk).unit for disk in disks if disk.device is DiskDevice.FLOPPY}
    for unit in range(2):
        if unit not in floppies:
            # They are there unless it is said that they are not.
            out.say(f"floppy{unit}.present", False)


def _address(disk: Disk) -> DriveAddress:
    if not isinstance(disk.address, DriveAddress):
        kind = "none" if disk.address is None else str(disk.address.type.value)
        raise ConfigUnsupported(f"Unsupported disk address type '{kind}'", evidence=_path(disk))
    return disk.address


def _path(disk: Disk) -> dict[str, str]:
    return {"path": f"/domain/devices/disk[target/@dev='{disk.target.dev}']"}


def check_place(disk: Disk) -> None:
    """Refuse a place that there is not, or that is not the one that the drive's name says.

    :raises ConfigUnsupported, XmlInternal: in libvirt's words.
    """
    bus = None if disk.target.bus is None else BUSES.get(disk.target.bus)
    if bus is None:
        raise ConfigUnsupported(f"Unsupported bus type '{disk.target.bus}'", evidence=_path(disk))
    address = _address(disk)
    name = bus.bus.value.upper()
    limits = (("controller", bus.controllers), ("bus", bus.buses), ("unit", bus.units))
    for what, limit in limits:
        number = getattr(address, what)
        own = what == "unit" and number == bus.own
        if number >= limit or own:
            allowed = f"0..{limit - 1}" if limit > 1 else "0"
            if bus is SCSI and what == "unit":
                allowed = f"0..6,8..{limit - 1}"
            raise XmlInternal(f"{name} {what} index {number} out of [{allowed}] range", evidence=_path(disk))
    if disk_number(disk.target.dev) != disk_number(bus.name(address.controller, address.bus, address.unit)):
        raise ConfigUnsupported(
            f"Disk address {address.controller}:{address.bus}:{address.unit} doesn't match target device"
            f" '{disk.target.dev}'",
            evidence=_path(disk),
        )


def _scsi_controller(domain: Domain, index: int) -> Controller:
    for controller in domain.devices.controllers:
        if controller.type is ControllerType.SCSI and (controller.index or 0) == index:
            return controller
    raise XmlInternal(f"Missing SCSI controller for index {index}")


def _take_driver_name(domain: Domain, disk: Disk) -> None:
    """A disk's driver name was once how its controller's model was said."""
    name = disk.driver.name if disk.driver is not None else None
    if disk.target.bus is not DiskBus.SCSI or name is None:
        return
    model = name.lower()
    if model not in list(ScsiModel):
        raise XmlInternal(f"Unknown driver name '{name}'", evidence=_path(disk))
    controller = _scsi_controller(domain, _address(disk).controller)
    if controller.model in (None, ScsiModel.AUTO):
        controller.model = ScsiModel(model)
    elif controller.model != model:
        raise XmlInternal(
            f"Inconsistent SCSI controller model ('{controller.model}' is not '{model}')"
            f" for SCSI controller index {controller.index}",
            evidence=_path(disk),
        )


def _write_controllers(domain: Domain, out: Outgoing) -> None:
    on = {
        (disk.target.bus, _address(disk).controller)
        for disk in domain.devices.disks
        if disk.target.bus in (DiskBus.SCSI, DiskBus.SATA)
    }
    for bus, index in sorted(on, key=lambda pair: (pair[0] is not DiskBus.SCSI, pair[1])):
        if bus is DiskBus.SATA:
            out.say(f"sata{index}.present", True)
            continue
        model = _scsi_controller(domain, index).model
        out.say(f"scsi{index}.present", True)
        if model in (None, ScsiModel.AUTO):
            continue
        if model not in _CARD_OF:
            raise ConfigUnsupported(
                "Expecting domain XML attribute 'model' of entry 'controller' to be 'buslogic' or 'lsilogic' or"
                f" 'lsisas1068' or 'vmpvscsi' but found '{model}'",
                evidence={"path": "/domain/devices/controller/@model"},
            )
        out.say(f"scsi{index}.virtualDev", _CARD_OF[ScsiModel(model)])


def _source(disk: Disk) -> str | None:
    if disk.source is None:
        return None
    return disk.source.file if disk.type is StorageType.FILE else disk.source.dev


def device_type(disk: Disk) -> str:
    """What a .vmx calls such a drive."""
    if disk.device is DiskDevice.DISK:
        return "ata-hardDisk" if disk.target.bus is DiskBus.IDE else "scsi-hardDisk"
    if disk.device is DiskDevice.CDROM:
        return "cdrom-image" if disk.type is StorageType.FILE else "atapi-cdrom"
    passed = disk.target.bus is DiskBus.SCSI and (_source(disk) or "").startswith(HOST_CDROM)
    return "scsi-passthru" if passed else "cdrom-raw"


def _write_disk(disk: Disk, out: Outgoing) -> None:
    assert disk.target.bus is not None
    bus, kind = disk.target.bus, _KIND[disk.device]
    if bus is DiskBus.FDC:
        raise ConfigUnsupported(f"Unsupported bus type '{bus}' for device type '{kind}'", evidence=_path(disk))
    allowed = {DiskDevice.DISK: (StorageType.FILE,), DiskDevice.CDROM: (StorageType.FILE, StorageType.BLOCK)}
    if disk.type not in allowed.get(disk.device, (StorageType.BLOCK,)):
        wanted = " or ".join(f"'{each}'" for each in allowed.get(disk.device, (StorageType.BLOCK,)))
        raise ConfigUnsupported(
            f"{bus.value.upper()} {kind} '{disk.target.dev}' has unsupported type '{disk.type}', expecting {wanted}",
            evidence=_path(disk),
        )
    key = BUSES[bus].key(_address(disk))
    out.say(f"{key}.present", True)
    out.say(f"{key}.deviceType", device_type(disk))
    _write_source(disk, key, out)
    cache = disk.driver.cache if disk.driver is not None else None
    if cache is DiskCache.WRITE_THROUGH and disk.device is DiskDevice.DISK:
        out.say(f"{key}.writeThrough", True)
    elif cache not in (None, DiskCache.DEFAULT):
        raise ConfigUnsupported(
            f"{bus.value.upper()} {kind} '{disk.target.dev}' has unsupported cache mode '{cache}'", evidence=_path(disk)
        )
    if disk.transient is not None:
        out.say(f"{key}.mode", "independent-nonpersistent")


def _write_source(disk: Disk, key: str, out: Outgoing) -> None:
    source = _source(disk)
    if disk.type is StorageType.FILE:
        if source is not None:
            check_suffix(disk, source)
            out.say(f"{key}.fileName", out.files.name(source))
        elif disk.device is DiskDevice.CDROM:
            out.say(f"{key}.fileName", EMPTY)
    elif source is not None:
        out.say(f"{key}.fileName", source)
    elif disk.source is not None and disk.source.startup_policy is StartupPolicy.OPTIONAL:
        out.say(f"{key}.autodetect", True)
        out.say(f"{key}.fileName", AUTO_DETECT)


def check_suffix(disk: Disk, source: str) -> None:
    """:raises ConfigUnsupported: the file cannot be such a drive's."""
    suffix = SUFFIXES[disk.device]
    if not source.lower().endswith(suffix):
        bus = "" if disk.target.bus is None or disk.device is DiskDevice.FLOPPY else f"{disk.target.bus.value.upper()} "
        raise ConfigUnsupported(
            f"Image file for {bus}{_KIND[disk.device]} '{disk.target.dev}' has unsupported suffix,"
            f" expecting '{suffix}'",
            evidence=_path(disk),
        )


def _write_floppy(disk: Disk, out: Outgoing) -> None:
    key = f"floppy{_address(disk).unit}"
    source = _source(disk)
    out.say(f"{key}.present", True)
    if disk.type is StorageType.FILE:
        out.say(f"{key}.fileType", "file")
        if source is not None:
            check_suffix(disk, source)
            out.say(f"{key}.fileName", out.files.name(source))
    elif disk.type is StorageType.BLOCK:
        out.say(f"{key}.fileType", "device")
        if source is not None:
            out.say(f"{key}.fileName", source)
    else:
        raise ConfigUnsupported(
            f"Floppy '{disk.target.dev}' has unsupported type '{disk.type}', expecting 'file' or 'block'",
            evidence=_path(disk),
        )
