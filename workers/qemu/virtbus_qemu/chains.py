"""The backing chains of disks whose definition does not say them, found by qemu-img.

QEMU is always told the whole chain, never left to follow what an image's header says.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.storage import BackingFormat, BackingStore, ImageFormat, StorageSource, StorageType
from virtbus.errors import ConfigUnsupported, HypervisorError, HypervisorSilent
from virtbus_qemu.command.block.image import Image, is_empty
from virtbus_qemu.command.block.reference import JSON, read, target
from virtbus_qemu.command.parts import compact

CHAINED = (ImageFormat.QCOW, ImageFormat.QCOW2, ImageFormat.QED, ImageFormat.VMDK)
"""Formats whose images may name a backing image."""

_QEMU_IMG = "qemu-img"


async def discover(domain: Domain, *, timeout: float) -> None:
    """Fill in the backing chains that a domain's disks do not say, in place.

    :param timeout: seconds for each disk.
    :raise HypervisorError: an image cannot be read.
    :raise HypervisorSilent: its storage does not answer.
    """
    for disk in domain.devices.disks:
        await discover_disk(disk, timeout=timeout)


async def discover_disk(disk: Disk, *, timeout: float) -> None:
    """As `discover`, of one disk."""
    layout = disk.driver.type if disk.driver else None
    if disk.source is None or disk.backing_store is not None:
        return
    if layout is None or layout not in CHAINED:
        disk.backing_store = BackingStore()
        return
    name = _name(disk, disk.source, layout)
    if name is not None:
        images = await _chain(name, timeout)
        disk.backing_store = _store(images[1:])


def _name(disk: Disk, source: StorageSource, layout: ImageFormat) -> str | None:
    """A disk's top image as qemu-img takes it; None for an empty drive.

    :raise ConfigUnsupported: qemu-img cannot look into it.
    """
    if source.fdgroup is not None or is_empty(disk.type, source):
        return None
    if disk.type is StorageType.NETWORK and (source.auth or disk.auth or source.cookies or source.tls):
        raise ConfigUnsupported(
            f"the backing chain of disk {disk.target.dev} is not known, and its server lets only QEMU look",
            hint="say it: <backingStore/> where there is none",
            evidence={"path": "/domain/devices/disk/backingStore"},
        )
    inner = target(Image(disk.type, ImageFormat.RAW, source, 0))
    return JSON + compact({"driver": layout.value, "file": inner})


async def _chain(path: str, timeout: float) -> list[dict[str, Any]]:
    # -U: it may be open in another QEMU, and is only looked at.
    arguments = ("info", "--output=json", "--backing-chain", "-U", path)
    try:
        process = await asyncio.create_subprocess_exec(
            _QEMU_IMG,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise HypervisorError(
            "qemu-img is not installed", hint="install it (Debian: apt install qemu-utils)"
        ) from error
    try:
        async with asyncio.timeout(timeout):
            output, complaint = await process.communicate()
    except TimeoutError as error:
        raise HypervisorSilent(
            f"image {path} could not be read within {timeout:g} s", hint="its storage does not answer"
        ) from error
    finally:
        # Also when nobody waits for it any more.
        if process.returncode is None:
            process.kill()
    if process.returncode:
        words = complaint.decode(errors="replace").strip()
        raise HypervisorError(
            f"image {path} cannot be read: {words}", hint="correct its path, or the type of its <driver>",
            evidence={"answer": words},
        )  # fmt: skip
    images: list[dict[str, Any]] = json.loads(output)
    return images


def _store(images: list[dict[str, Any]]) -> BackingStore:
    """The backing stores of the images below the top one; the last is empty and ends the chain."""
    if not images:
        return BackingStore()
    kind, source = read(images[0]["filename"])
    if kind is StorageType.FILE and Path(source.file or "").is_block_device():
        kind, source = StorageType.BLOCK, StorageSource(dev=source.file)
    return BackingStore(
        type=kind,
        image_format=BackingFormat(type=ImageFormat(images[0]["format"])),
        source=source,
        backing_store=_store(images[1:]),
    )
