"""Which devices a container may use: those that every program needs, and its own disks and host devices."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from virtbus.domain import Device, Disk, Domain, StorageType
from virtbus.domain.hostdev import MiscHostdev, StorageHostdev
from virtbus.errors import ConfigUnsupported
from virtbus_lxc.cgroups import Layout
from virtbus_lxc.config.mounts import escape

Line = tuple[str, object]

ALWAYS = ("c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm",
          "c 136:* rwm", "c 10:229 rwm")  # fmt: skip
"""null, zero, full, random, urandom, tty, console, ptmx, pseudo terminals, fuse (devices.txt of Linux)."""

MAKE = ("c *:* m", "b *:* m")
"""Any node may be made; that is not the same as being used."""


def device_lines(domain: Domain, cgroups: Layout) -> Iterator[Line]:
    """The device cgroup, and a bind mount for each node of the host.

    :raise ConfigUnsupported: a device of the host is not there, or is of a kind that a container cannot have.
    """
    prefix = cgroups.prefix("devices")
    yield f"{prefix}devices.deny", "a"
    for rule in (*MAKE, *ALWAYS):
        yield f"{prefix}devices.allow", rule
    for device in (*domain.devices.disks, *domain.devices.hostdevs):
        node = node_of(device)
        if node is None:
            continue
        source, target = node
        yield f"{prefix}devices.allow", rule_of(source)
        yield "lxc.mount.entry", f"{escape(source)} {escape(target.lstrip('/'))} none bind,create=file 0 0"


def node_of(device: Device) -> tuple[str, str] | None:
    """A device's node on the host, and in the container; None for what has none (an interface).

    :raise ConfigUnsupported: a container cannot have it.
    """
    if isinstance(device, Disk):
        if device.type is not StorageType.BLOCK or device.source is None or device.source.dev is None:
            raise _unsupported("a disk that is no block device of the host", "disk")
        return device.source.dev, f"/dev/{device.target.dev}"
    if isinstance(device, StorageHostdev) and device.source.block is not None:
        return device.source.block, device.source.block
    if isinstance(device, MiscHostdev) and device.source.char is not None:
        return device.source.char, device.source.char
    return None


def rule_of(path: str) -> str:
    """The device cgroup's rule that allows a node, such as `b 7:0 rwm`.

    :raise ConfigUnsupported: there is no such device.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise ConfigUnsupported(f"the device {path} of the host cannot be used: {error.strerror}") from error
    if not stat.S_ISBLK(status.st_mode) and not stat.S_ISCHR(status.st_mode):
        raise ConfigUnsupported(f"{path} is no device of the host")
    kind = "b" if stat.S_ISBLK(status.st_mode) else "c"
    return f"{kind} {os.major(status.st_rdev)}:{os.minor(status.st_rdev)} rwm"


def _unsupported(what: str, tag: str) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"{what} cannot be had in a container", hint="give it a block device, or a raw image",
        evidence={"path": f"/domain/devices/{tag}"},
    )  # fmt: skip
