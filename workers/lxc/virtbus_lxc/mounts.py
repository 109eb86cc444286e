"""Mounts in a running container: folders, files and nodes of the host, and file systems in memory."""

from __future__ import annotations

import os
import posixpath
import sys
from pathlib import Path

from virtbus.domain import Filesystem
from virtbus.domain.filesystem import FilesystemType
from virtbus.errors import ConfigUnsupported, HypervisorGone
from virtbus_lxc import inner
from virtbus_lxc.config.mountlines import ram_bytes
from virtbus_lxc.container import Container
from virtbus_lxc.tools import run


async def _inside(container: Container, action: str, *words: str, timeout: float) -> None:
    init = container.first_process()
    try:
        namespace = os.open(f"/proc/{init.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HypervisorGone("the container ends or reboots at this moment", domain=container.uuid) from error
    try:
        if not init.alive():
            raise HypervisorGone("the container ends or reboots at this moment", domain=container.uuid)
        program = str(Path(inner.__file__))
        await run(
            sys.executable, "-I", "-S", program, action, str(namespace), *words, timeout=timeout,
            descriptors=(namespace,),
        )  # fmt: skip
    finally:
        os.close(namespace)


def _access(readonly: bool) -> str:
    return "ro" if readonly else "rw"


async def show_node(container: Container, source: str, target: str, timeout: float, *, readonly: bool = False) -> None:
    """Show a device node of the host.

    :raise HypervisorError: it cannot be mounted there.
    """
    await _inside(container, "bind", source, target, "file", _access(readonly), timeout=timeout)


async def hide_node(container: Container, target: str, timeout: float) -> None:
    """Take a node away; one that is not there is none."""
    await _inside(container, "unmount", target, "file", timeout=timeout)


async def mount(container: Container, filesystem: Filesystem, timeout: float) -> None:
    """Mount a file system.

    :raise ConfigUnsupported: a running container cannot be given one of this type.
    :raise HypervisorError: it cannot be mounted.
    """
    source, target = filesystem.source, place(filesystem)
    if filesystem.type is FilesystemType.MOUNT and source is not None and source.dir:
        await _inside(container, "bind", source.dir, target, "dir", _access(filesystem.readonly), timeout=timeout)
    elif filesystem.type is FilesystemType.RAM:
        size = str(ram_bytes(filesystem))
        await _inside(container, "memory", size, target, _access(filesystem.readonly), timeout=timeout)
    else:
        raise ConfigUnsupported(
            f"a filesystem of type '{filesystem.type.value}' cannot be attached while the container runs",
            domain=container.uuid, hint="attach it to the definition, and start the container anew",
        )  # fmt: skip


async def unmount(container: Container, filesystem: Filesystem, timeout: float) -> None:
    """Take a file system away; one that is not there is none."""
    await _inside(container, "unmount", place(filesystem), "dir", timeout=timeout)


def place(filesystem: Filesystem) -> str:
    """Where in the container it is mounted."""
    return posixpath.normpath("/" if filesystem.target is None else f"/{filesystem.target.dir.lstrip('/')}")
