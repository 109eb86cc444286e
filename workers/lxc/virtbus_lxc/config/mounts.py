"""A container's root and its mounts: `lxc.rootfs.path` and `lxc.mount.entry`, as file systems."""

from __future__ import annotations

import re

from virtbus.domain import Domain, Filesystem
from virtbus.domain.filesystem import AccessMode, FilesystemDriver, FilesystemSource, FilesystemTarget, FilesystemType
from virtbus.errorcodes import ErrorCode
from virtbus.errors import ConfigUnsupported, XmlInternal
from virtbus_lxc.config.settings import Settings
from virtbus_lxc.config.sizes import parse_size

BASIC_MOUNTS = frozenset(
    {"/proc", "/proc/sys", "/proc/sys/net/ipv4", "/proc/sys/net/ipv6", "/sys", "/sys/fs/selinux",
     "/sys/kernel/security"}
)  # fmt: skip
"""Where every container has the kernel's own file systems: these are not the domain's to say."""


class ForeignFstab(ConfigUnsupported):
    """The mounts are in a file of their own."""

    code = ErrorCode.ARGUMENT_UNSUPPORTED


def read_mounts(domain: Domain, settings: Settings) -> None:
    """Add the root and the mounts to the domain.

    :raise ForeignFstab: the mounts are in a file of their own.
    :raise XmlInternal: there is no root, or a tmpfs without a size.
    """
    if settings.last("lxc.mount.fstab") is not None:
        raise ForeignFstab("lxc.mount.fstab or lxc.mount found, use lxc.mount.entry lines instead")
    root = settings.last("lxc.rootfs.path")
    if root is None:
        raise XmlInternal("Missing lxc.rootfs.path configuration")
    domain.devices.filesystems.append(_root(root, "ro" in (settings.last("lxc.rootfs.options") or "").split(",")))
    for entry in settings.all("lxc.mount.entry"):
        filesystem = _mount(entry)
        if filesystem is not None:
            domain.devices.filesystems.append(filesystem)


def _filesystem(kind: FilesystemType, source: FilesystemSource, target: str, *, readonly: bool) -> Filesystem:
    return Filesystem(
        type=kind, accessmode=AccessMode.PASSTHROUGH, source=source, target=FilesystemTarget(dir=target),
        readonly=readonly,
    )  # fmt: skip


def _root(path: str, readonly: bool) -> Filesystem:
    """LXC may say by a prefix how the root is stored: a folder needs none, a loop device has an image."""
    storage, colon, place = path.partition(":")
    if colon and storage == "loop":
        root = _filesystem(FilesystemType.FILE, FilesystemSource(file=place), "/", readonly=readonly)
        root.driver = FilesystemDriver(type="loop", image_format="raw")
        return root
    place = place if colon and storage == "dir" else path
    if place.startswith("/dev/"):
        return _filesystem(FilesystemType.BLOCK, FilesystemSource(dev=place), "/", readonly=readonly)
    return _filesystem(FilesystemType.MOUNT, FilesystemSource(dir=place), "/", readonly=readonly)


def _mount(entry: str) -> Filesystem | None:
    """The file system of a line like one of fstab(5); None for those that every container has."""
    words = [unescape(word) for word in entry.split()]
    if len(words) < 4:
        raise XmlInternal(f"Invalid mount entry: '{entry}'")
    source, place, kind, options = words[0], words[1], words[2], words[3].split(",")
    target = place if place.startswith("/") else f"/{place}"
    if target.rstrip("/") in BASIC_MOUNTS:
        return None
    readonly = "ro" in options
    if kind == "tmpfs":
        size = next((option.removeprefix("size=") for option in options if option.startswith("size=")), None)
        if size is None:
            raise XmlInternal("missing tmpfs size, set the size option")
        memory = FilesystemSource(usage=parse_size(size) // 1024, units="KiB")
        return _filesystem(FilesystemType.RAM, memory, target, readonly=readonly)
    return _filesystem(FilesystemType.MOUNT, FilesystemSource(dir=source), target, readonly=readonly)


def unescape(word: str) -> str:
    """A word of fstab(5), in which blanks are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)


def escape(word: str) -> str:
    """The other way."""
    return re.sub(r"[\s\\#]", lambda match: f"\\{ord(match.group()):03o}", word)
