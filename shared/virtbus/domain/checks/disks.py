"""What disks may not be."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from virtbus.domain.address import DriveAddress
from virtbus.domain.buses import UNITS, place_of
from virtbus.domain.checks.problem import Problems, detail, malformed, of_kind, places, twice, unsupported
from virtbus.domain.disk import Disk, DiskBus, DiskDevice
from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import ScsiHostdev
from virtbus.domain.lookup import disk_number
from virtbus.domain.storage import NetworkProtocol, SecretKind, StartupPolicy, StorageType


def check_disk_names(domain: Domain) -> Problems:
    disks = [(path, device) for path, device in places(domain) if isinstance(device, Disk)]
    targets: Iterator[tuple[Hashable, str]] = ((disk.target.dev, f"{path}/target/@dev") for path, disk in disks)
    for name, first, again in twice(targets):
        yield detail(f"target '{name}' duplicated for disks", again, f"{first} has it too")
    for path, disk in disks:
        if disk.address is None and disk_number(disk.target.dev) < 0:
            yield malformed(f"Unknown disk name '{disk.target.dev}' and no address specified", f"{path}/target/@dev")


def check_disk_identities(domain: Domain) -> Problems:
    """No two disks say to be the same."""
    disks = of_kind(domain, Disk)
    identities: Iterator[tuple[Hashable, str]] = ((disk.wwn.lower(), path) for path, disk in disks if disk.wwn)
    for wwn, first, again in twice(identities):
        yield detail(f"Disks have identical WWN '{wwn}'", f"{again}/wwn", f"{first} has it too")


def check_disks(domain: Domain) -> Problems:
    for path, disk in places(domain):
        if not isinstance(disk, Disk):
            continue
        bus = disk.target.bus
        if disk.device is DiskDevice.FLOPPY and bus is not DiskBus.FDC:
            yield unsupported(f"Invalid bus type '{bus}' for floppy disk", f"{path}/target/@bus")
        if disk.device is DiskDevice.DISK and bus is DiskBus.FDC:
            yield unsupported(f"Invalid bus type '{bus}' for disk", f"{path}/target/@bus")
        if disk.device is DiskDevice.CDROM and bus in (DiskBus.VIRTIO, DiskBus.FDC):
            yield unsupported(f"disk type of '{disk.target.dev}' does not support ejectable media", f"{path}/@device")
        if disk.device is DiskDevice.LUN and disk.type in (StorageType.FILE, StorageType.DIR):
            yield unsupported("disk device='lun' is only valid for block type disk source", f"{path}/@device")
        if disk.source is None and disk.device in (DiskDevice.DISK, DiskDevice.LUN):
            yield detail(f"disk '{disk.target.dev}' has no source", f"{path}/source")
        yield from _check_source(path, disk)
        yield from _check_iotune(path, disk)
        yield from _check_inquiry(path, disk)


LONGEST_VENDOR, LONGEST_PRODUCT = 8, 16
"""In characters; SCSI's INQUIRY has no room for more."""


def _check_inquiry(path: str, disk: Disk) -> Problems:
    """What a SCSI disk says of itself is short, and other disks say nothing."""
    for name, most in (("vendor", LONGEST_VENDOR), ("product", LONGEST_PRODUCT)):
        value = getattr(disk, name)
        if value is None:
            continue
        if disk.target.bus is not DiskBus.SCSI:
            yield unsupported(f"Only scsi disk supports '{name}'", f"{path}/{name}")
        elif len(value) > most:
            yield unsupported(f"disk {name} is more than {most} characters", f"{path}/{name}")


_SOURCE_NEEDS: dict[StorageType, tuple[str, ...]] = {
    StorageType.FILE: ("file",),
    StorageType.BLOCK: ("dev",),
    StorageType.DIR: ("dir",),
    StorageType.NETWORK: ("protocol",),
    StorageType.VOLUME: ("pool", "volume"),
    StorageType.VHOST_USER: ("path",),
    StorageType.VHOST_VDPA: ("dev",),
}


def _check_source(path: str, disk: Disk) -> Problems:
    """A source has what its type needs; only drives with removable media may name no image."""
    if disk.source is None:
        return
    for name in _SOURCE_NEEDS.get(disk.type, ()):
        empty = disk.device in (DiskDevice.CDROM, DiskDevice.FLOPPY) and disk.type is not StorageType.VOLUME
        # A LUN that may be missing is whichever of the host is found.
        empty |= disk.device is DiskDevice.LUN and disk.source.startup_policy is StartupPolicy.OPTIONAL
        if getattr(disk.source, name) is None and not empty:
            yield detail(f"missing '{name}' in the source of disk '{disk.target.dev}'", f"{path}/source/@{name}")


def _check_iotune(path: str, disk: Disk) -> Problems:
    if disk.iotune is None:
        return
    for what in ("bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"):
        total, read, write = (getattr(disk.iotune, f"{which}_{what}") for which in ("total", "read", "write"))
        if total and (read or write):
            yield unsupported(
                f"total and read/write {what} cannot be set at the same time", f"{path}/iotune/total_{what}"
            )


_SECRET_OF: dict[NetworkProtocol, SecretKind] = {
    NetworkProtocol.ISCSI: SecretKind.ISCSI,
    NetworkProtocol.RBD: SecretKind.CEPH,
}


def check_secrets(domain: Domain) -> Problems:
    """A disk says once who asks for it, with the kind of secret that its server knows."""
    for path, disk in of_kind(domain, Disk):
        inner = disk.source.auth if disk.source is not None else None
        if disk.auth is not None and inner is not None:
            yield unsupported("an <auth> definition already found for disk source", f"{path}/auth")
        protocol = disk.source.protocol if disk.source is not None else None
        wanted = _SECRET_OF.get(protocol) if protocol is not None else None
        for auth in filter(None, (disk.auth, inner)):
            if auth.secret.type is None:
                yield unsupported("unknown secret type '<null>'", f"{path}/auth/secret/@type")
            elif wanted is not None and auth.secret.type is not wanted:
                yield unsupported(f"invalid secret type '{auth.secret.type}'", f"{path}/auth/secret/@type")
        source = disk.source.encryption if disk.source is not None else None
        for encryption in filter(None, (disk.encryption, source)):
            if encryption.cipher is not None:
                yield unsupported("supplying <cipher> for domain disk definition is unnecessary", f"{path}/encryption")


def check_drive_addresses(domain: Domain) -> Problems:
    """Drives and SCSI devices of the host have places of their own, of the kind that their bus has."""
    taken: dict[Hashable, str] = {}
    for path, hostdev in of_kind(domain, ScsiHostdev):
        if isinstance(hostdev.address, DriveAddress):
            if place_of(hostdev.address) in taken:
                where = _drive(hostdev.address)
                yield unsupported(f"SCSI host address {where}' in use by another SCSI host device", f"{path}/address")
            taken[place_of(hostdev.address)] = path
    drives: dict[Hashable, tuple[str, str]] = {}
    for path, disk in of_kind(domain, Disk):
        if not isinstance(disk.address, DriveAddress):
            if disk.address is not None and disk.target.bus in UNITS:
                yield unsupported(
                    f"Invalid address type '{disk.address.type}' for the disk '{disk.target.dev}' "
                    f"with the bus type '{disk.target.bus}'",
                    f"{path}/address",
                )
            continue
        place, where = place_of(disk.address), _drive(disk.address)
        if (disk.target.bus, place) in drives:
            first, name = drives[disk.target.bus, place]
            yield unsupported(
                f"Found duplicate drive address for disk with target name '{name}' {where}'",
                f"{path}/address",
                f"{first} has it too",
            )
        drives.setdefault((disk.target.bus, place), (path, disk.target.dev))
        if disk.target.bus is DiskBus.SCSI and place in taken:
            # libvirt's message lacks the last quote.
            yield unsupported(
                f"using disk target name '{disk.target.dev}' conflicts with SCSI host device address {where}",
                f"{path}/address",
            )


def _drive(address: DriveAddress) -> str:
    """An address as libvirt's messages have it, without its last quote."""
    return f"controller='{address.controller}' bus='{address.bus}' target='{address.target}' unit='{address.unit}"
