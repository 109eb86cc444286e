"""Disks and CD-ROM drives: the guest's side of each bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.address import DriveAddress
from virtbus.domain.controller import ScsiModel
from virtbus.domain.disk import BlockIo, Disk, DiskBus, DiskDevice, DiskDriver, DiskErrorPolicy, IoTune
from virtbus.errors import ConfigUnsupported, InternalError
from virtbus_qemu.addresses import scsi_model
from virtbus_qemu.command import block, place
from virtbus_qemu.command.parts import Command, Context, Parts, given, on_off
from virtbus_qemu.ledger import read_through

#: Limits of a disk, and what QEMU's block_set_io_throttle calls them.
_LIMITS = {
    "total_bytes_sec": "bps",
    "read_bytes_sec": "bps_rd",
    "write_bytes_sec": "bps_wr",
    "total_iops_sec": "iops",
    "read_iops_sec": "iops_rd",
    "write_iops_sec": "iops_wr",
}
_BURSTS = {f"{name}_max": f"{limit}_max" for name, limit in _LIMITS.items()}
_LENGTHS = {f"{name}_max_length": f"{limit}_max_length" for name, limit in _LIMITS.items()}


def describe(disk: Disk, context: Context) -> Parts:
    """A disk.

    :raise ConfigUnsupported: QEMU has no such drive.
    """
    bus = disk.target.bus
    guest = _GUEST_SIDE.get(bus) if bus else None
    if guest is None or disk.device not in (DiskDevice.DISK, DiskDevice.CDROM):
        raise ConfigUnsupported(
            f"{disk.device} on bus {bus} is not supported",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/disk/target/@bus"},
        )
    if disk.driver and disk.driver.name not in (None, "qemu"):
        raise ConfigUnsupported(f"QEMU has no disk driver {disk.driver.name}", domain=context.domain.name)
    device = {
        **guest(disk, context),
        **given(drive=block.node(disk), id=disk.alias),
        **place.boot(disk, context),
        **_shared(disk),
    }
    nodes = tuple(block.backends(disk))
    # A drive's name is for the definition only, and for snapshots what they do with it.
    read_through([disk.target.dev, disk.snapshot])
    if not nodes:
        # Kept for the medium that will be put in.
        read_through([disk.driver, disk.readonly, disk.source])
    return Parts(nodes, device, settle=_limits(disk))


def _shared(disk: Disk) -> dict[str, Any]:
    driver = disk.driver or DiskDriver()
    caching = block.CACHING.get(driver.cache) if driver.cache else None
    rerror = driver.rerror_policy
    if rerror is None and driver.error_policy not in (DiskErrorPolicy.ENOSPACE, DiskErrorPolicy.DEFAULT):
        rerror = driver.error_policy
    block_io = disk.blockio or BlockIo()
    return given(
        {
            "write-cache": on_off(caching.write_cache) if caching else None,
            "share-rw": True if disk.shareable else None,
        },
        werror=_policy(driver.error_policy),
        rerror=_policy(rerror),
        serial=disk.serial,
        logical_block_size=block_io.logical_block_size,
        physical_block_size=block_io.physical_block_size,
        discard_granularity=block_io.discard_granularity,
    )


def _policy(policy: DiskErrorPolicy | None) -> str | None:
    if policy in (None, DiskErrorPolicy.DEFAULT):
        return None
    return "enospc" if policy is DiskErrorPolicy.ENOSPACE else policy.value


def _virtio(disk: Disk, context: Context) -> dict[str, Any]:
    driver = disk.driver or DiskDriver()
    return {
        "driver": place.virtio_name("virtio-blk", disk.model),
        **place.pci(disk, context),
        **place.virtio(driver),
        **given(
            {"num-queues": driver.queues, "queue-size": driver.queue_size},
            ioeventfd=driver.ioeventfd,
            event_idx=driver.event_idx,
            iothread=f"iothread{driver.iothread}" if driver.iothread else None,
        ),
    }


def _place(disk: Disk, context: Context) -> DriveAddress:
    if not isinstance(disk.address, DriveAddress):
        raise InternalError(f"disk {disk.target.dev} has no drive address", domain=context.domain.name)
    return disk.address


def _kind(disk: Disk, prefix: str) -> str:
    return f"{prefix}-cd" if disk.device is DiskDevice.CDROM else f"{prefix}-hd"


def _rotation(disk: Disk) -> dict[str, Any]:
    return given(rotation_rate=disk.target.rotation_rate, wwn=int(disk.wwn, 16) if disk.wwn else None)


def _sata(disk: Disk, context: Context) -> dict[str, Any]:
    at = _place(disk, context)
    built_in = context.platform.express and at.controller == 0
    bus = "ide" if built_in else f"sata{at.controller}"
    return {"driver": _kind(disk, "ide"), "bus": f"{bus}.{at.unit}", **_rotation(disk)}


def _ide(disk: Disk, context: Context) -> dict[str, Any]:
    at = _place(disk, context)
    return {"driver": _kind(disk, "ide"), "bus": f"ide.{at.bus}", "unit": at.unit, **_rotation(disk)}


def _scsi(disk: Disk, context: Context) -> dict[str, Any]:
    at = _place(disk, context)
    lsi = scsi_model(context.domain, at.controller) == ScsiModel.LSILOGIC
    where = {"scsi-id": at.unit} if lsi else {"channel": at.bus, "scsi-id": at.target, "lun": at.unit}
    return {
        "driver": _kind(disk, "scsi"),
        "bus": f"scsi{at.controller}.0",
        **where,
        **given(vendor=disk.vendor, product=disk.product, removable=disk.target.removable),
        "device_id": disk.serial or f"drive-{disk.alias}",
        **_rotation(disk),
    }


def _usb(disk: Disk, context: Context) -> dict[str, Any]:
    return {"driver": "usb-storage", **place.usb(disk, context), "removable": bool(disk.target.removable)}


_GUEST_SIDE: dict[DiskBus, Callable[[Disk, Context], dict[str, Any]]] = {
    DiskBus.VIRTIO: _virtio,
    DiskBus.SATA: _sata,
    DiskBus.IDE: _ide,
    DiskBus.SCSI: _scsi,
    DiskBus.USB: _usb,
}


def object_path(disk: Disk) -> str:
    """The object of QEMU's that owns a live disk's block backend, as block commands and statistics name it."""
    root = f"/machine/peripheral/{disk.alias}"
    if disk.target.bus is DiskBus.VIRTIO:
        return f"{root}/virtio-backend"
    if disk.target.bus is DiskBus.USB:
        return f"{root}/{disk.alias}.0/legacy[0]"
    return root


def throttle(disk: Disk, tune: IoTune) -> Command:
    """The command that limits a live disk; what is not said is unlimited."""
    arguments: dict[str, Any] = {"id": object_path(disk)}
    arguments |= {qemu: getattr(tune, name) or 0 for name, qemu in _LIMITS.items()}
    for name, qemu in (_BURSTS | _LENGTHS).items():
        if (value := getattr(tune, name)) is not None:
            arguments[qemu] = value
    return Command(
        "block_set_io_throttle", arguments | {"iops_size": tune.size_iops_sec or 0} | given(group=tune.group_name)
    )


def _limits(disk: Disk) -> tuple[Command, ...]:
    return (throttle(disk, disk.iotune),) if disk.iotune else ()
