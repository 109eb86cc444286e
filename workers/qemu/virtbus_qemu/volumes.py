"""Volumes of storage pools as images: what stands behind <source pool= volume=>."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from virtbus.domain.storage import (
    Authentication,
    Initiator,
    NetworkProtocol,
    StorageHost,
    StorageSource,
    StorageType,
)
from virtbus.errors import ConfigUnsupported, XmlError


class VolumeMode(StrEnum):
    """How a volume of an iSCSI pool is reached: as the host's block device, or by QEMU itself."""

    HOST = "host"
    DIRECT = "direct"


class VolumeType(StrEnum):
    """What a volume is."""

    FILE = "file"
    BLOCK = "block"
    DIR = "dir"
    NETWORK = "network"
    NETDIR = "netdir"
    PLOOP = "ploop"


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume, with what of its pool is needed to reach it."""

    type: VolumeType
    path: str
    pool: str
    pool_type: str
    hosts: tuple[StorageHost, ...] = ()
    target: str | None = None
    """The target of an iSCSI pool."""
    initiator: str | None = None
    auth: Authentication | None = None
    unit: str | None = field(default=None)
    """The unit of a volume of an iSCSI pool, from its name (unit:0:0:3)."""


class Volumes(Protocol):
    """Who knows the volumes of the host's pools."""

    def find(self, pool: str, volume: str) -> Volume:
        """A volume.

        :raise ConfigUnsupported: there is none.
        """
        ...


class NoVolumes:
    """A host without pools."""

    def find(self, pool: str, volume: str) -> Volume:
        """See Volumes."""
        raise ConfigUnsupported(
            f"storage pool '{pool}' is not known to this host",
            hint="name the image's file or block device",
            evidence={"path": "/domain/devices/disk/source/@pool"},
        )


NO_VOLUMES = NoVolumes()

_LOCAL_POOLS = frozenset(
    {"dir", "fs", "netfs", "logical", "disk", "scsi", "zfs", "vstorage", "iscsi", "mpath"}
)  # fmt: skip
_LOCAL = {VolumeType.FILE: StorageType.FILE, VolumeType.DIR: StorageType.DIR, VolumeType.BLOCK: StorageType.BLOCK}
_ATTRIBUTE = {StorageType.FILE: "file", StorageType.DIR: "dir", StorageType.BLOCK: "dev"}


def resolve(source: StorageSource, volumes: Volumes) -> tuple[StorageType, StorageSource]:
    """The image behind a volume: its type, and its source with all that the volume's own source says besides.

    :raise ConfigUnsupported: there is no such volume, or QEMU cannot reach it.
    :raise XmlError: the mode fits no such pool.
    """
    volume = volumes.find(source.pool or "", source.volume or "")
    direct = source.mode == VolumeMode.DIRECT
    if volume.pool_type not in _LOCAL_POOLS and volume.pool_type != "iscsi-direct":
        raise ConfigUnsupported(f"using '{volume.pool_type}' pools for backing 'volume' disks isn't yet supported")
    if source.mode is not None and volume.pool_type not in ("iscsi", "iscsi-direct"):
        raise XmlError(
            "disk source mode is only valid when storage pool is of iscsi type",
            evidence={"path": "/domain/devices/disk/source/@mode"},
        )
    image = source.copy()
    image.pool = image.volume = image.mode = None
    if volume.pool_type == "iscsi-direct" or (volume.pool_type == "iscsi" and direct):
        return StorageType.NETWORK, _network(image, volume)
    kind = _LOCAL.get(volume.type)
    if kind is None:
        raise ConfigUnsupported(
            f"unexpected storage volume type '{volume.type}' for storage pool type '{volume.pool_type}'"
        )
    setattr(image, _ATTRIBUTE[kind], volume.path)
    return kind, image


def _network(image: StorageSource, volume: Volume) -> StorageSource:
    image.protocol = NetworkProtocol.ISCSI
    image.name = f"{volume.target}/{volume.unit or 0}"
    image.hosts = [host.copy() for host in volume.hosts]
    if volume.initiator is not None:
        image.initiator = Initiator(iqn=volume.initiator)
    image.auth = image.auth or volume.auth
    return image
