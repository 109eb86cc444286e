"""Nodes between a disk's top image and the guest: copying on read, and limits that several disks share."""

from __future__ import annotations

from typing import Any

from virtbus.domain.disk import Disk
from virtbus_qemu.blockfilters import noted_filters
from virtbus_qemu.command.parts import Backend, BackendKind


def copies_on_read(disk: Disk) -> bool:
    """Whether what the guest reads from a lower image is written into the top one."""
    return bool(disk.driver and disk.driver.copy_on_read)


def top_filter(disk: Disk) -> str | None:
    """The highest of the nodes; None where there is none."""
    noted = noted_filters(disk)
    return noted[-1].name if noted else _copier(disk)


def filters(disk: Disk, image: str) -> list[Backend]:
    """The nodes over the top image's, the lowest first."""
    made: list[Backend] = []
    below = image
    copier = _copier(disk)
    if copier is not None:
        discard = {"discard": "unmap"}
        made.append(_node({"driver": "copy-on-read", "node-name": copier, "file": below, **discard}))
        below = copier
    for each in noted_filters(disk):
        group = {"throttle-group": f"throttle-{each.group}"}
        made.append(_node({"driver": "throttle", "node-name": each.name, **group, "file": below}))
        below = each.name
    return made


def _node(properties: dict[str, Any]) -> Backend:
    return Backend(BackendKind.BLOCKDEV, properties)


def _copier(disk: Disk) -> str | None:
    return f"libvirt-CoR-{disk.target.dev}" if copies_on_read(disk) else None
