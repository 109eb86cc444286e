"""The files behind disks: whether they are there, before QEMU is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from virtbus.domain import Disk, Domain
from virtbus.domain.disk import DiskDevice
from virtbus.domain.storage import StartupPolicy, StorageType
from virtbus.driver import Target
from virtbus.errors import HypervisorError


def check_images(domain: Domain, target: Target) -> None:
    """Refuse a start without what it needs: QEMU would say it too, but later and in its own words.

    :raises HypervisorError: a file is not there, or may not be read.
    """
    for disk in domain.devices.disks:
        check_image(disk, target)
    if domain.os is not None:
        for what, path in (("kernel", domain.os.kernel), ("initrd", domain.os.initrd)):
            if path:
                _check(what, path, target)


def drop_absent(domain: Domain, present: Callable[[Disk], bool]) -> None:
    """Start without the images that are not there and need not be: a removable drive is empty, a disk is left out."""
    kept = []
    for disk in domain.devices.disks:
        policy = disk.source.startup_policy if disk.source is not None else None
        if policy is not StartupPolicy.OPTIONAL or present(disk):
            kept.append(disk)
        elif disk.device in (DiskDevice.CDROM, DiskDevice.FLOPPY):
            disk.source = None
            kept.append(disk)
    domain.devices.disks = kept


def is_present(disk: Disk) -> bool:
    """Whether a disk's file or block device is there; what lies elsewhere is for QEMU to find."""
    path = _path(disk)
    return path is None or Path(path).exists()


def _path(disk: Disk) -> str | None:
    source = disk.source
    return {StorageType.FILE: source.file, StorageType.BLOCK: source.dev}.get(disk.type) if source else None


def check_image(disk: Disk, target: Target) -> None:
    """Refuse a disk whose image is not there.

    :raises HypervisorError: it is not there, or may not be read.
    """
    source = disk.source
    if source is None or source.startup_policy is StartupPolicy.OPTIONAL:
        return
    path = _path(disk)
    if path and source.fdgroup is None:
        _check(disk.target.dev, path, target)


def _check(what: str, path: str, target: Target) -> None:
    if not Path(path).exists():
        reason, hint = "no such file", "make it, or correct its path"
    elif not os.access(path, os.R_OK):
        reason, hint = "permission denied", "let the worker's user read it"
    else:
        return
    raise HypervisorError(
        f"cannot access storage file '{path}' of {what}: {reason}",
        host=target.host, domain=target.uuid, hint=hint, evidence={"path": path},
    )  # fmt: skip
