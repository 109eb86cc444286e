"""Folders of the host that the guest mounts."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device, DeviceBoot, VirtioOptions
from virtbus.domain.tuning import IdMap
from virtbus.xml import Element, Octal, OnOff, UInt, ULong, attribute, child, flag


class FilesystemType(StrEnum):
    """What is mounted."""

    MOUNT = "mount"
    BLOCK = "block"
    FILE = "file"
    TEMPLATE = "template"
    RAM = "ram"
    BIND = "bind"
    VOLUME = "volume"


class AccessMode(StrEnum):
    """Whose rights the guest has in the folder."""

    PASSTHROUGH = "passthrough"
    MAPPED = "mapped"
    SQUASH = "squash"


class MultiDevs(StrEnum):
    """What happens when the folder spans several devices of the host."""

    DEFAULT = "default"
    REMAP = "remap"
    FORBID = "forbid"
    WARN = "warn"


class FilesystemModel(StrEnum):
    """Which generation of virtio is spoken."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class FilesystemDriver(VirtioOptions, tag="driver"):
    """Who serves the folder."""

    type: str | None = attribute()
    image_format: str | None = attribute("format")
    write_policy: str | None = attribute("wrpolicy")
    queue: ULong | None = attribute()
    name: str | None = attribute()


class VirtiofsThreads(Element, tag="thread_pool"):
    """How many threads the daemon has."""

    size: UInt = attribute()


class VirtiofsLock(Element, tag="lock"):
    """Which locks the daemon passes on."""

    posix: OnOff | None = attribute()
    flock: OnOff | None = attribute()


class VirtiofsBinary(Element, tag="binary"):
    """The virtiofs daemon and its settings."""

    path: str | None = attribute()
    xattr: OnOff | None = attribute()
    cache: str | None = child(attribute="mode")
    sandbox: str | None = child(attribute="mode")
    lock: VirtiofsLock | None = child()
    thread_pool: VirtiofsThreads | None = child()
    openfiles: ULong | None = child(attribute="max")


class FilesystemSource(Element, tag="source"):
    """What of the host is mounted; which attribute matters depends on the type."""

    dir: str | None = attribute()
    file: str | None = attribute()
    dev: str | None = attribute()
    name: str | None = attribute()
    usage: ULong | None = attribute()
    units: str | None = attribute()
    pool: str | None = attribute()
    volume: str | None = attribute()
    socket: str | None = attribute()


class FilesystemTarget(Element, tag="target"):
    """The tag (or, in a container, the folder) where the guest finds it."""

    dir: str = attribute()


class Filesystem(Device, tag="filesystem"):
    """A folder of the host."""

    type: FilesystemType = attribute(default=FilesystemType.MOUNT)
    accessmode: AccessMode | None = attribute()
    model: FilesystemModel | None = attribute()
    multidevs: MultiDevs | None = attribute()
    fmode: Octal | None = attribute()
    dmode: Octal | None = attribute()
    driver: FilesystemDriver | None = child()
    binary: VirtiofsBinary | None = child()
    idmap: IdMap | None = child()
    source: FilesystemSource | None = child()
    target: FilesystemTarget | None = child()
    readonly: bool = flag()
    space_hard_limit: int | None = child(unit="bytes")
    space_soft_limit: int | None = child(unit="bytes")
    boot: DeviceBoot | None = child()
