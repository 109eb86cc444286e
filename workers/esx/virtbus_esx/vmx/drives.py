"""Drives from a .vmx: hard disks, CD-ROM and floppy drives, with the controllers that they are on."""

from __future__ import annotations

from dataclasses import dataclass

from virtbus.domain import Controller, ControllerType, Disk, DiskBus, DiskDevice, DriveAddress, StorageSource
from virtbus.domain.controller import ScsiModel
from virtbus.domain.disk import DiskCache, DiskDriver, DiskTarget, Transient
from virtbus.domain.storage import StartupPolicy, StorageType
from virtbus.errors import XmlInternal
from virtbus_esx.vmx.buses import FLOPPY, IDE, SATA, SCSI, Bus
from virtbus_esx.vmx.entries import Entries
from virtbus_esx.vmx.files import Files

SCSI_CARDS = {
    "buslogic": ScsiModel.BUSLOGIC,
    "lsilogic": ScsiModel.LSILOGIC,
    "lsisas1068": ScsiModel.LSISAS1068,
    "pvscsi": ScsiModel.VMPVSCSI,
}
"""VMware's names of SCSI controllers."""

EMPTY = "emptyBackingString"
AUTO_DETECT = "auto detect"
HOST_CDROM = "/vmfs/devices/cdrom/"

_HARD_DISK = {DiskBus.SCSI: ("scsi-hardDisk", "disk"), DiskBus.IDE: ("ata-hardDisk",)}
"""What the device type of a hard disk may be."""


def read_drives(entries: Entries, files: Files) -> tuple[list[Disk], list[Controller]]:
    """All drives in the order of their places, and the controllers that drives of the file are on."""
    drives: list[Disk] = []
    controllers: list[Controller] = []
    for bus, kind in ((SCSI, ControllerType.SCSI), (SATA, ControllerType.SATA)):
        for number in range(bus.controllers):
            if not entries.boolean(f"{bus.bus.value}{number}.present", False):
                continue
            model = _scsi_model(entries, number) if bus is SCSI else None
            if found := _on(bus, number, entries, files):
                controllers.append(Controller(type=kind, index=number, model=model))
                drives += found
    drives += _on(IDE, 0, entries, files)
    drives += _on(FLOPPY, 0, entries, files)
    return drives, controllers


def _scsi_model(entries: Entries, number: int) -> ScsiModel | None:
    name = f"scsi{number}.virtualDev"
    card = entries.optional(name)
    if card is None:
        return None
    if card.lower() not in SCSI_CARDS:
        raise XmlInternal(
            f"Expecting VMX entry '{name}' to be 'buslogic' or 'lsilogic' or 'lsisas1068' or 'pvscsi'"
            f" but found '{card}'"
        )
    return SCSI_CARDS[card.lower()]


@dataclass(frozen=True)
class _Drive:
    """What the file says of one place."""

    key: str
    bus: DiskBus
    kind: str | None
    """Its deviceType."""
    file: str | None

    def must_be(self, *kinds: str) -> None:
        """:raises XmlInternal: it says that it is something else."""
        if self.kind is not None and self.kind.lower() not in [kind.lower() for kind in kinds]:
            wanted = " or ".join(f"'{kind}'" for kind in kinds)
            raise XmlInternal(f"Expecting VMX entry '{self.key}.deviceType' to be {wanted} but found '{self.kind}'")

    def is_a(self, *kinds: str) -> bool:
        return self.kind is not None and self.kind.lower() in kinds

    def ends(self, suffix: str) -> bool:
        return self.file is not None and self.file.lower().endswith(suffix)


def _on(bus: Bus, controller: int, entries: Entries, files: Files) -> list[Disk]:
    found = []
    for key, address, name in bus.places(controller):
        if not entries.boolean(f"{key}.present", False) or entries.boolean(f"{key}.clientDevice", False):
            # What a client's own machine lends cannot be described.
            continue
        disk = _floppy(key, entries, files) if bus is FLOPPY else _disk(key, bus, entries, files)
        disk.target = DiskTarget(dev=name, bus=bus.bus)
        disk.address = address
        found.append(disk)
    return found


def _disk(key: str, bus: Bus, entries: Entries, files: Files) -> Disk:
    """What is at a place that is no floppy's."""
    drive = _Drive(key, bus.bus, entries.optional(f"{key}.deviceType"), entries.optional(f"{key}.fileName"))
    if drive.ends(".vmdk"):
        return _hard_disk(drive, entries, files)
    disk = _cdrom(drive, files)
    disk.readonly = True
    return disk


def _hard_disk(drive: _Drive, entries: Entries, files: Files) -> Disk:
    if drive.bus in _HARD_DISK:
        drive.must_be(*_HARD_DISK[drive.bus])
    assert drive.file is not None
    disk = _new(StorageType.FILE, DiskDevice.DISK)
    disk.source = StorageSource(file=files.source(drive.file))
    if entries.boolean(f"{drive.key}.writeThrough", False):
        disk.driver = DiskDriver(cache=DiskCache.WRITE_THROUGH)
    if (entries.optional(f"{drive.key}.mode") or "").lower() == "independent-nonpersistent":
        disk.transient = Transient()
    return disk


def _cdrom(drive: _Drive, files: Files) -> Disk:
    if drive.ends(".iso"):
        drive.must_be("cdrom-image")
        disk = _new(StorageType.FILE, DiskDevice.CDROM)
        disk.source = StorageSource(file=files.source(drive.file or ""))
        return disk
    if drive.is_a("atapi-cdrom", "cdrom-raw"):
        # A drive that the guest may send any command is a LUN.
        device = DiskDevice.CDROM if drive.is_a("atapi-cdrom") else DiskDevice.LUN
        disk = _new(StorageType.BLOCK, device)
        if (drive.file or "").lower() == AUTO_DETECT:
            disk.source = StorageSource(startup_policy=StartupPolicy.OPTIONAL)
        elif drive.file and drive.file != EMPTY:
            disk.source = StorageSource(dev=drive.file)
        return disk
    if drive.bus is DiskBus.SCSI and drive.is_a("scsi-passthru") and (drive.file or "").startswith(HOST_CDROM):
        disk = _new(StorageType.BLOCK, DiskDevice.LUN)
        disk.source = StorageSource(dev=drive.file)
        return disk
    if not drive.file or drive.file == EMPTY:
        drive.must_be("cdrom-image")
        return _new(StorageType.FILE, DiskDevice.CDROM)
    raise XmlInternal(
        f"Invalid or not yet handled value '{drive.file}' for VMX entry '{drive.key}.fileName'"
        f" for device type '{drive.kind or 'unknown'}'"
    )


def _floppy(key: str, entries: Entries, files: Files) -> Disk:
    kind = entries.optional(f"{key}.fileType")
    file = entries.optional(f"{key}.fileName")
    if kind is not None and kind.lower() == "device":
        disk = _new(StorageType.BLOCK, DiskDevice.FLOPPY)
        disk.source = StorageSource(dev=file) if file else None
    elif kind is not None and kind.lower() == "file":
        disk = _new(StorageType.FILE, DiskDevice.FLOPPY)
        disk.source = StorageSource(file=files.source(file)) if file else None
    else:
        raise XmlInternal(
            f"Invalid or not yet handled value '{file}' for VMX entry '{key}.fileName' for device type '{kind}'"
        )
    return disk


def _new(kind: StorageType, device: DiskDevice) -> Disk:
    """A drive whose place is still to be said."""
    return Disk(type=kind, device=device, target=DiskTarget(dev=""), address=DriveAddress())
