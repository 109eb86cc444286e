"""The arguments of passt, the program that is a card's network without rights on the host (passt(1)).

passt.arguments(interface, socket)      # ("passt", "--foreground", "--one-off", "--socket", ...)
"""

from __future__ import annotations

import os
from pathlib import Path

from virtbus.domain.domain import Domain
from virtbus.domain.interface import Interface, InterfaceBackendType, PortForward, PortRange
from virtbus_qemu.settings import QemuSettings

_SHORT = 20
"""How many characters of a domain's name are in the names of its files."""


def is_wanted(interface: Interface) -> bool:
    """Whether a card's network is passt's."""
    return interface.backend is not None and interface.backend.type is InterfaceBackendType.PASST


def socket(interface: Interface, domain: Domain, folder: Path, settings: QemuSettings) -> Path:
    """Where the passt of a card listens.

    :param folder: the domain's runtime folder.
    """
    if settings.passt is None:
        return folder / f"{interface.alias}-passt.sock"
    number = -1 if domain.id is None else domain.id
    return settings.passt / f"{number}-{domain.name[:_SHORT]}-{interface.alias}.socket"


def arguments(interface: Interface, socket: Path) -> tuple[str, ...]:
    """The command line of a card's passt, which ends by itself when QEMU lets go of its socket."""
    words = ["passt", "--foreground", "--one-off", "--socket", str(socket)]
    # Started by root, passt would become nobody, who cannot make a socket in the domain's folder.
    words += ["--runas", f"{os.geteuid()}:{os.getegid()}"]
    source, backend = interface.source, interface.backend
    if source is not None and source.dev is not None:
        words += ["--interface", source.dev]
    if backend is not None:
        said = {"--log-file": backend.log_file, "--hostname": backend.hostname, "--fqdn": backend.fqdn}
        words += [word for name, value in said.items() if value is not None for word in (name, value)]
    if interface.mtu is not None:
        words += ["--mtu", str(interface.mtu)]
    for address in interface.ips:
        words += ["--address", address.address]
        if address.family != "ipv6" and address.prefix:
            words += ["--netmask", str(address.prefix)]
    for forward in interface.port_forwards:
        words += [f"--{forward.proto}-ports", _forward(forward)]
    return tuple(words)


def _forward(forward: PortForward) -> str:
    """Such as 10.0.0.1%eth0/22:2022,~25: where the host listens, and which of its ports lead where."""
    device = f"%{forward.dev}" if forward.dev is not None else ""
    place = f"{forward.address or ''}{device}"
    ranges = ",".join(_range(each) for each in forward.ranges) or "all"
    return f"{place}/{ranges}" if place else ranges


def _range(ports: PortRange) -> str:
    text = f"{'~' if ports.exclude else ''}{ports.start}"
    if ports.end is not None:
        text += f"-{ports.end}"
    if ports.to is not None:
        text += f":{ports.to}"
        if ports.end is not None:
            text += f"-{ports.to + ports.end - ports.start}"
    return text
