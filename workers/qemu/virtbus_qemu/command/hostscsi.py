"""SCSI units that are passed to the guest: of the host, or reached by iSCSI."""

from __future__ import annotations

from typing import Any

from virtbus.domain.hostdev import HostdevTail, ScsiHostdev
from virtbus.domain.storage import ImageFormat, NetworkProtocol, StorageSource, StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place, secret
from virtbus_qemu.command.block import protocols
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts, given
from virtbus_qemu.ledger import read_through
from virtbus_qemu.nodenumbers import highest_node


def describe(device: ScsiHostdev, context: Context) -> Parts:
    """A SCSI unit, which the guest speaks to through QEMU."""
    name = f"libvirt-{_number(device, context)}-backend"
    objects: tuple[Backend, ...] = ()
    # Nobody keeps other domains from the unit, so that all are shareable.
    _ = device.shareable
    if device.source.protocol is None:
        properties = {"driver": "host_device", "filename": _node(device, context)}
    else:
        objects, properties = _remote(device, name, context)
    node = Backend(BackendKind.BLOCKDEV, {**properties, "node-name": name, "read-only": device.readonly})
    guest = {
        "driver": "scsi-generic",
        "drive": name,
        "id": device.alias,
        **place.boot(device, context),
        **load_parameter(device, context),
        **place.of(device, context),
    }
    return Parts((*objects, node), guest)


def load_parameter(device: HostdevTail, context: Context) -> dict[str, Any]:
    """What an s390x guest's boot loader is told when it boots from the device."""
    loadparm = device.boot.loadparm if device.boot else None
    return given(loadparm=loadparm if context.has("virtio-ccw.loadparm") else None)


def _number(device: ScsiHostdev, context: Context) -> int:
    """Block nodes of passed units are numbered behind those of the disks."""
    units = [each for each in context.domain.devices.hostdevs if isinstance(each, ScsiHostdev)]
    aliases = [each.alias for each in units]
    behind = aliases.index(device.alias) if device.alias in aliases else len(aliases)
    return highest_node(context.domain) + 1 + behind


def _node(device: ScsiHostdev, context: Context) -> str:
    source = device.source
    if source.adapter is None or source.address is None:
        raise ConfigUnsupported(
            "a SCSI unit of the host has an adapter and an address",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/hostdev/source"},
        )
    read_through(source.address)
    return context.settings.host_devices.scsi_generic(source.adapter, source.address)


def _remote(device: ScsiHostdev, name: str, context: Context) -> tuple[tuple[Backend, ...], dict[str, Any]]:
    source = device.source
    image = Image(
        StorageType.NETWORK,
        ImageFormat.RAW,
        StorageSource(
            protocol=NetworkProtocol.ISCSI,
            name=source.name,
            hosts=source.hosts,
            initiator=source.initiator,
        ),
        index=0,
        auth=source.auth,
    )
    objects: tuple[Backend, ...] = ()
    if source.auth is not None:
        objects = (secret.of_reference(f"{name}-secret0", source.auth.secret, context),)
    access = protocols.Access(password=objects[0].id if objects else None)
    return objects, protocols.properties(image, access)
