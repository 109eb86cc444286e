"""File systems of a domain as a container's root and mounts."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from virtbus.domain import Domain, Filesystem
from virtbus.domain.filesystem import FilesystemType
from virtbus.errors import ConfigUnsupported
from virtbus_lxc.config.mounts import escape
from virtbus_lxc.config.networklines import has_own_network

Line = tuple[str, object]

AUTOMATIC = "proc:mixed cgroup:mixed"
"""The kernel's own file systems: the container's part of /proc and its cgroups can be written."""
SYS, HOSTS_SYS = "sys:mixed", "/sys sys none rbind,create=dir 0 0"
"""The devices; a container whose root is nobody on the host may not mount those of a network that is not its own."""


def root_of(domain: Domain) -> Filesystem | None:
    """What is mounted at /; None for a container that has the host's root."""
    return next((each for each in domain.devices.filesystems if _target(each) == "/"), None)


def _target(filesystem: Filesystem) -> str:
    return "" if filesystem.target is None else posixpath.normpath(filesystem.target.dir)


def mount_lines(domain: Domain) -> Iterator[Line]:
    """The root first, then what is mounted below it, in order.

    :raise ConfigUnsupported: there is no root, or LXC cannot mount something.
    """
    root = root_of(domain)
    if root is None:
        raise ConfigUnsupported(
            "the container has no root file system", hint="give it a <filesystem> with <target dir='/'/>",
            evidence={"path": "/domain/devices/filesystem"},
        )  # fmt: skip
    yield "lxc.rootfs.path", root_path(root)
    if root.readonly:
        yield "lxc.rootfs.options", "ro"
    foreign = domain.idmap is not None and not has_own_network(domain)
    yield "lxc.mount.auto", AUTOMATIC if foreign else f"{AUTOMATIC} {SYS}"
    if foreign:
        yield "lxc.mount.entry", HOSTS_SYS
    for filesystem in domain.devices.filesystems:
        if filesystem is not root:
            yield "lxc.mount.entry", mount_entry(filesystem)


def root_path(root: Filesystem) -> str:
    """The root as LXC names it.

    :raise ConfigUnsupported: LXC has no such root.
    """
    source = root.source
    if source is not None:
        if root.type is FilesystemType.MOUNT and source.dir:
            return f"dir:{source.dir}"
        if root.type is FilesystemType.BLOCK and source.dev:
            return source.dev
        if root.type is FilesystemType.FILE and source.file:
            return f"loop:{source.file}"
    raise _unsupported(root, "cannot be a container's root")


def mount_entry(filesystem: Filesystem) -> str:
    """The line of a mount, as in fstab(5).

    :raise ConfigUnsupported: LXC cannot mount that.
    """
    write = _ENTRIES.get(filesystem.type)
    if write is None or filesystem.source is None or filesystem.target is None:
        raise _unsupported(filesystem, "cannot be mounted in a container")
    source, kind, options = write(filesystem)
    if not source:
        raise _unsupported(filesystem, "has no source")
    if filesystem.readonly:
        options = [*options, "ro"]
    target = _target(filesystem).lstrip("/")
    return f"{escape(source)} {escape(target)} {kind} {','.join(options)} 0 0"


def _folder(filesystem: Any) -> tuple[str, str, list[str]]:
    return filesystem.source.dir or "", "none", ["rbind", "create=dir"]


def _within(filesystem: Any) -> tuple[str, str, list[str]]:
    """A folder of the container itself; LXC takes a relative source for one of the container's."""
    return (filesystem.source.dir or "").lstrip("/"), "none", ["bind", "create=dir", "relative"]


def _device(filesystem: Any) -> tuple[str, str, list[str]]:
    return filesystem.source.dev or "", "auto", ["create=dir"]


def _memory(filesystem: Any) -> tuple[str, str, list[str]]:
    return "tmpfs", "tmpfs", [f"size={ram_bytes(filesystem)}", "mode=0755", "nosuid", "nodev", "create=dir"]


def ram_bytes(filesystem: Filesystem) -> int:
    """How much a file system in memory may hold; its definition is complete, and has KiB."""
    return 0 if filesystem.source is None else (filesystem.source.usage or 0) * 1024


_ENTRIES: dict[FilesystemType, Callable[[Filesystem], tuple[str, str, list[str]]]] = {
    FilesystemType.MOUNT: _folder,
    FilesystemType.BIND: _within,
    FilesystemType.BLOCK: _device,
    FilesystemType.RAM: _memory,
}


def _unsupported(filesystem: Filesystem, why: str) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"a filesystem of type '{filesystem.type.value}' {why}",
        hint="use one of type mount, block or ram", evidence={"path": "/domain/devices/filesystem"},
    )  # fmt: skip
