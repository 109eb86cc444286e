"""Disks, CD-ROM and floppy drives: the guest's side of each bus, in libvirt's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.device import Reconnect
from virtbus.domain.disk import (
    BlockIo,
    Disk,
    DiskBus,
    DiskDevice,
    DiskDriver,
    DiskErrorPolicy,
    DiskIothread,
    DiskModel,
    Geometry,
    GeometryTranslation,
    IoTune,
)
from virtbus.domain.storage import StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import block, place, sdcard, stream
from virtbus_qemu.command.parts import Backend, Command, Context, Parts, compact, given, on_off
from virtbus_qemu.ledger import read_through
from virtbus_qemu.platform import Board

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
    # A drive's name is for the definition only, and for snapshots what they do with it.
    # Its driver is QEMU's, as the checks know.
    read_through([disk.target.dev, disk.snapshot, disk.driver.name if disk.driver else None])
    # Whether its image is there is looked at before; QEMU starts with every tray closed.
    _ = disk.source.startup_policy if disk.source else None, disk.target.tray
    if disk.target.bus is DiskBus.SD:
        return Parts(options=("-drive", sdcard.option(disk, context)))
    bus = disk.target.bus
    guest = _GUEST_SIDE.get(bus) if bus else None
    if guest is None:
        raise ConfigUnsupported(
            f"unsupported disk bus '{bus}' with device setup",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/disk/target/@bus"},
        )
    if disk.transient is not None and disk.transient.share_backing:
        # It is plugged once QEMU runs, over an image of this life alone.
        return Parts()
    if disk.type is StorageType.VHOST_USER:
        return _vhost_user(disk, context)
    nodes = tuple(block.backends(disk, context))
    if not nodes:
        # Kept for the medium that will be put in.
        read_through([disk.driver, disk.readonly, disk.source])
    device = {**guest(disk, context), **_shared(disk, context, drive=block.top(disk, context))}
    return Parts(nodes, device, settle=_limits(disk))


def floppy_controller(context: Context) -> list[str]:
    """What the floppy controller is told; q35 has none unless it is added."""
    floppies = [each for each in context.domain.devices.disks if each.target.bus is DiskBus.FDC]
    boots = {f"bootindex{_DRIVE[place.drive(each, context)['unit']]}": _boot_index(each, context) for each in floppies}
    if floppies and context.platform.board is Board.Q35:
        return ["-device", compact(given({"driver": "isa-fdc"} | boots))]
    return [word for name, order in given(boots).items() for word in ("-global", f"isa-fdc.{name}={order}")]


_DRIVE = "ABCD"
"""The letters of a controller's floppy drives."""


def reservations(context: Context) -> list[str]:
    """The object of `managed_reservations`, where a disk needs it."""
    sources = [disk.source for disk in context.domain.devices.disks if disk.source is not None]
    if not any(each.reservations and each.reservations.managed for each in sources):
        return []
    return managed_reservations(context).options()


def managed_reservations(context: Context) -> Backend:
    """The object that keeps the persistent reservations of all disks for which the worker runs the helper."""
    name = block.MANAGED_RESERVATIONS
    return block.reservations(name, str(context.folder / f"{name}.sock"))


def _boot_index(disk: Disk, context: Context) -> int | None:
    return context.boot_index.get(disk.alias or "")


def _shared(disk: Disk, context: Context, **backend: str | None) -> dict[str, Any]:
    """What all buses have in common, from the backend on."""
    caching = block.caching_of(disk) if disk.device is not DiskDevice.LUN else None
    werror, rerror = _policies(disk.driver or DiskDriver())
    block_io, geometry = disk.blockio or BlockIo(), disk.geometry
    loadparm = disk.boot.loadparm if disk.boot and context.has("virtio-ccw.loadparm") else None
    return given(
        {
            "share-rw": True if disk.shareable else None,
            **backend,
            "id": disk.alias,
            # A floppy's place in the order is its controller's affair.
            **(place.boot(disk, context) if disk.target.bus is not DiskBus.FDC else {}),
            "loadparm": loadparm,
            "logical_block_size": block_io.logical_block_size,
            "physical_block_size": block_io.physical_block_size,
            "discard_granularity": block_io.discard_granularity,
            "wwn": int(disk.wwn, 16) if disk.wwn else None,
            "rotation_rate": disk.target.rotation_rate,
            "vendor": disk.vendor,
            "product": disk.product,
            "removable": _removable(disk),
            "write-cache": on_off(caching.write_cache) if caching else None,
            **_geometry(geometry),
            # libvirt's guests have seen a backslash before each blank from the first.
            "serial": disk.serial.replace(" ", r"\ ") if disk.serial else None,
            "werror": werror,
            "rerror": rerror,
        }
    )


def _removable(disk: Disk) -> bool | None:
    """USB sticks say that they are removable unless they are told otherwise."""
    is_stick = disk.target.bus is DiskBus.USB and disk.model is not DiskModel.USB_BOT
    return bool(disk.target.removable) if is_stick else disk.target.removable


def _geometry(geometry: Geometry | None) -> dict[str, Any]:
    if geometry is None:
        return {}
    translation = geometry.translation
    chosen = None if translation in (None, GeometryTranslation.DEFAULT) else str(translation)
    return {"cyls": geometry.cylinders, "heads": geometry.heads, "secs": geometry.sectors, "bios-chs-trans": chosen}


def _policies(driver: DiskDriver) -> tuple[str | None, str | None]:
    """What happens on errors when writing and when reading; a full disk is an error of writing alone."""
    write, read = driver.error_policy, driver.rerror_policy
    if read is None and write is not DiskErrorPolicy.ENOSPACE:
        read = write
    return _policy(write), _policy(read)


def _policy(policy: DiskErrorPolicy | None) -> str | None:
    if policy in (None, DiskErrorPolicy.DEFAULT):
        return None
    return "enospc" if policy is DiskErrorPolicy.ENOSPACE else policy.value


def _vhost_user(disk: Disk, context: Context) -> Parts:
    """A disk that another process serves over a socket."""
    source = disk.source
    path = source.path if source else None
    # The socket's kind is unix, and it has no format.
    _ = source.type if source else None, disk.driver.type if disk.driver else None
    reconnect = source.reconnect if source else Reconnect()
    chardev = stream.client(f"chr-vu-{disk.alias}", path or "", context, reconnect)
    device = {
        "driver": place.virtio_name("vhost-user-blk", disk, context),
        **place.virtio(disk.driver),
        **given({"num-queues": disk.driver.queues, "queue-size": disk.driver.queue_size} if disk.driver else {}),
        **place.of(disk, context),
        **_shared(disk, context, chardev=chardev.id),
    }
    return Parts((chardev,), device)


def _virtio(disk: Disk, context: Context) -> dict[str, Any]:
    driver = disk.driver or DiskDriver()
    return {
        "driver": place.virtio_name("virtio-blk", disk, context),
        **place.virtio(driver),
        **given(
            {
                "iothread": f"iothread{driver.iothread}" if driver.iothread else None,
                "ioeventfd": driver.ioeventfd,
                "event_idx": driver.event_idx,
                "scsi": _passes_commands(disk, context),
                "num-queues": driver.queues,
                "queue-size": driver.queue_size,
                "iothread-vq-mapping": [_mapping(each) for each in driver.iothreads.iothreads]
                if driver.iothreads
                else None,
            }
        ),
        **place.of(disk, context),
    }


def _passes_commands(disk: Disk, context: Context) -> bool | None:
    """Whether the guest's SCSI commands reach the disk, as far as QEMU must be told."""
    if not context.has("virtio-blk-pci.scsi"):
        return None
    if disk.device is DiskDevice.LUN:
        return True
    return None if context.has("virtio-blk-pci.scsi.default.disabled") else False


def _mapping(iothread: DiskIothread) -> dict[str, Any]:
    queues = [queue.id for queue in iothread.queues]
    return given(iothread=f"iothread{iothread.id}", vqs=queues or None)


def _ide(disk: Disk, context: Context) -> dict[str, Any]:
    return {"driver": _kind(disk, "ide"), **place.drive(disk, context)}


def _kind(disk: Disk, prefix: str) -> str:
    kinds = {DiskDevice.CDROM: "cd", DiskDevice.LUN: "block"}
    return f"{prefix}-{kinds.get(disk.device, 'hd')}"


def _scsi(disk: Disk, context: Context) -> dict[str, Any]:
    name = disk.serial or f"drive-{disk.alias}"
    # A unit of the host says itself who it is.
    own = {} if disk.device is DiskDevice.LUN else {"device_id": name}
    return {"driver": _kind(disk, "scsi"), **place.drive(disk, context), **own}


def _usb(disk: Disk, context: Context) -> dict[str, Any]:
    if disk.model is DiskModel.USB_BOT:
        raise ConfigUnsupported(
            "disks of model usb-bot are not supported",
            domain=context.domain.name,
            hint="leave the model out",
            evidence={"path": "/domain/devices/disk/@model"},
        )
    return {"driver": "usb-storage", **place.usb(disk, context)}


def _floppy(disk: Disk, context: Context) -> dict[str, Any]:
    if context.platform.board is Board.PSERIES:
        raise ConfigUnsupported(
            "PowerPC pseries machines do not support floppy device",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/disk/@device"},
        )
    return {"driver": "floppy", **place.drive(disk, context)}


_GUEST_SIDE: dict[DiskBus, Callable[[Disk, Context], dict[str, Any]]] = {
    DiskBus.VIRTIO: _virtio,
    DiskBus.SATA: _ide,
    DiskBus.IDE: _ide,
    DiskBus.SCSI: _scsi,
    DiskBus.USB: _usb,
    DiskBus.FDC: _floppy,
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
