"""Loop devices: raw images that a container sees as block devices (losetup(8))."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from virtbus.domain import Disk, StorageType
from virtbus.errors import HypervisorError
from virtbus_lxc.tools import run

LIMIT = 10.0
"""Seconds."""


async def attach(disk: Disk, timeout: float = LIMIT) -> str | None:
    """The loop device that serves a disk with an image, which is read-only where the disk is; None for another disk.

    :raise HypervisorError: the image cannot be used.
    """
    if disk.type is not StorageType.FILE or disk.source is None or disk.source.file is None:
        return None
    words = ["--read-only"] if disk.readonly else []
    said = await run("losetup", *words, "--find", "--show", "--", disk.source.file, timeout=min(timeout, LIMIT))
    return said.strip()


async def release(devices: Iterable[str]) -> None:
    """Let go of loop devices; those that are gone are none."""
    for device in devices:
        with contextlib.suppress(HypervisorError):
            await run("losetup", "--detach", device, timeout=LIMIT)


def as_block(disk: Disk, device: str) -> Disk:
    """The disk as one that is the loop device."""
    block = disk.copy()
    block.type = StorageType.BLOCK
    assert block.source is not None
    block.source.file, block.source.dev = None, device
    return block
