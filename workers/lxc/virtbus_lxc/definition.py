"""What a definition becomes in LXC: libvirt's defaults filled in, and what LXC cannot do refused."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from typing import Any

from virtbus import domain as vocabulary
from virtbus.domain import CharType, Device, Domain, DomainType, Filesystem, StorageType
from virtbus.domain.boot import Os, OsType, OsTypeName
from virtbus.domain.filesystem import AccessMode, FilesystemType
from virtbus.errors import ConfigUnsupported, XmlError
from virtbus.xml.codec import scale
from virtbus_lxc.config.mountlines import mount_lines
from virtbus_lxc.config.networklines import CONNECTIONS, network_lines

KINDS = ("disk", "filesystem", "interface", "console", "hostdev", "controller", "memballoon")
"""The kinds of devices that mean something for a container; libvirt's LXC driver overlooks the last two."""


def complete(domain: Domain, previous: Domain | None) -> Domain:
    """See Driver.complete.

    :raise ConfigUnsupported: it is not for LXC, or asks for what LXC cannot do.
    """
    refuse_strangers(domain)
    made = domain.copy()
    made.id = None
    if made.uuid is None and previous is not None:
        made.uuid = previous.uuid
    fill(made)
    vocabulary.check(made)
    check(made)
    return made


def fill(domain: Domain) -> None:
    """Fill in what libvirt's LXC driver fills in. A complete definition stays as it is."""
    domain.os = domain.os or Os(type=OsType(name=OsTypeName.EXE))
    domain.os.type.arch = domain.os.type.arch or platform.machine()
    fill_neutrally(domain)


def fill_neutrally(domain: Domain) -> None:
    """The same, without what depends on the host."""
    if domain.os is not None and domain.os.init is None and domain.os.type.name is OsTypeName.EXE:
        domain.os.init = "/sbin/init"
    for filesystem in domain.devices.filesystems:
        fill_filesystem(filesystem)
    vocabulary.complete(domain, renew=True)


def fill_device(live: Domain, device: Device) -> None:
    """Complete one device, as when it is to be attached."""
    if isinstance(device, Filesystem):
        fill_filesystem(device)
    vocabulary.complete_device(live, device)


def fill_filesystem(filesystem: Filesystem) -> None:
    """Whose rights count, and the size of one in memory in KiB."""
    filesystem.accessmode = filesystem.accessmode or AccessMode.PASSTHROUGH
    source = filesystem.source
    if filesystem.type is FilesystemType.RAM and source is not None and source.usage is not None:
        try:
            bytes_ = source.usage * (1024 if source.units is None else scale(source.units))
        except ValueError as error:
            raise XmlError(str(error), evidence={"path": "/domain/devices/filesystem/source/@units"}) from error
        source.usage, source.units = bytes_ // 1024, "KiB"


def refuse_strangers(domain: Domain) -> None:
    """Refuse what is meant for another hypervisor.

    :raise ConfigUnsupported: it is.
    """
    if domain.type is not DomainType.LXC:
        raise unsupported(domain, "@type", f"this host runs domains of type 'lxc', not '{domain.type.value}'")
    if domain.os is not None and domain.os.type.name is not OsTypeName.EXE:
        raise unsupported(domain, "os/type", f"a container is an 'exe' guest, not '{domain.os.type.name.value}'")
    for name, given in _foreign(domain):
        if given:
            raise unsupported(domain, name, f"<{name}> means nothing for a container")


def _foreign(domain: Domain) -> Iterable[tuple[str, Any]]:
    os = domain.os
    return (
        ("os/kernel", os is not None and os.kernel),
        ("os/loader", os is not None and os.loader),
        ("launchSecurity", domain.launch_security),
        ("bootloader", domain.bootloader),
        ("qemu:commandline", domain.qemu_commandline),
        ("qemu:override", domain.qemu_override),
    )


def check(domain: Domain) -> None:
    """Refuse what LXC cannot do.

    :raise ConfigUnsupported: the definition asks for it.
    """
    for device in domain.devices.every():
        check_device(domain, device)
    # What cannot be written is refused now, not at start.
    for lines in (mount_lines, network_lines):
        list(lines(domain))
    if domain.idmap is not None and (not domain.idmap.uids or not domain.idmap.gids):
        raise unsupported(domain, "idmap", "an id map needs ranges of users and of groups")


def check_device(domain: Domain, device: Device) -> None:
    """Refuse a device that no container can have.

    :raise ConfigUnsupported: it is one.
    """
    tag = device.element_tag or ""
    if tag not in KINDS:
        raise unsupported(domain, f"devices/{tag}", f"<{tag}> devices cannot be had in a container")
    problem = _PROBLEMS.get(tag)
    words = None if problem is None else problem(device)
    if words is not None:
        raise unsupported(domain, f"devices/{tag}", words)


def _disk(disk: Any) -> str | None:
    source = disk.source
    if source is None or disk.type not in (StorageType.BLOCK, StorageType.FILE):
        return "a container's disk is a block device, or a file"
    image = None if disk.driver is None else disk.driver.type
    if disk.type is StorageType.FILE and image not in (None, "raw"):
        return f"a container's disk is a raw image, not '{getattr(image, 'value', image)}'"
    return None


def _interface(interface: Any) -> str | None:
    if interface.type not in CONNECTIONS:
        return f"an interface of type '{interface.type.value}' cannot be had in a container"
    if any(address.peer is not None for address in interface.ips):
        return "an address with a peer cannot be given to a container's interface"
    if interface.source is not None and (interface.source.ips or interface.source.routes):
        return "addresses of the host's side of an interface cannot be set"
    if interface.bandwidth is not None or interface.vlan is not None or interface.filter is not None:
        return "bandwidth, VLANs and filters of a container's interface cannot be set"
    return None


def _hostdev(hostdev: Any) -> str | None:
    if hostdev.mode != "capabilities":
        return f"a container is given capabilities of the host, not '{hostdev.mode.value}' devices"
    return None


def _console(console: Any) -> str | None:
    if console.type not in (CharType.PTY, CharType.FILE):
        return f"a container's console is a pty or a file, not '{console.type.value}'"
    return None


_PROBLEMS: dict[str, Callable[[Any], str | None]] = {
    "disk": _disk,
    "interface": _interface,
    "hostdev": _hostdev,
    "console": _console,
}
"""What of each kind no container can have, in words; None where it can."""


def unsupported(domain: Domain, path: str, message: str) -> ConfigUnsupported:
    """The error for something that LXC cannot do."""
    return ConfigUnsupported(
        message, domain=domain.uuid or domain.name, hint="change it, or choose another host",
        evidence={"path": f"/domain/{path}"},
    )  # fmt: skip
