"""The storage of the world in which the recorded command lines were made: secrets, pools, optical drives."""

from __future__ import annotations

from virtbus.domain.disk import Disk
from virtbus.domain.storage import SecretReference, StorageHost, StorageType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.volumes import Volume, VolumeType

CDROMS = frozenset({"/dev/cdrom"})

MASTER_KEY = bytes(range(32))
"""Random numbers count up there."""


class OneSecret:
    """Every secret has the same value."""

    def value(self, reference: SecretReference) -> bytes:
        """See virtbus_qemu.vault.Vault."""
        return b"AQCVn5hO6HzFAhAAq0NCv8jtJcIcE+HOBlMQ1A"


class NamedVolumes:
    """Pools of which only the name's end matters, with volumes whose names say what they are: block+cdrom, dir+vol1."""

    def find(self, pool: str, volume: str) -> Volume:
        """See virtbus_qemu.volumes.Volumes."""
        if pool == "inactive":
            raise ConfigUnsupported(f"storage pool '{pool}' containing volume '{volume}' is not active")
        kind, _, name = volume.partition("+")
        if name:
            path = f"/some/{kind}/device/{name}"
            return Volume(type=VolumeType(kind), path=path, pool=pool, pool_type=pool.removeprefix("pool-"))
        return Volume(
            type=VolumeType.BLOCK,
            path=f"/some/block/device/{volume}",
            pool=pool,
            pool_type=pool.removeprefix("pool-"),
            hosts=(StorageHost(name="iscsi.example.com", port=3260),),
            target="demo-target",
            unit=volume.rpartition(":")[2],
        )


def is_present(disk: Disk) -> bool:
    """Whether a disk's image is there: volumes of active pools are, and all files."""
    return disk.type is not StorageType.VOLUME or disk.source is None or disk.source.pool != "inactive"
