"""Tap devices: the host's end of a guest's network card, made before QEMU opens it by name.

They are made persistent, so that they live until they are removed and QEMU itself needs no rights on the network.
The numbers are the kernel's (linux/if_tun.h, linux/sockios.h, linux/if.h).
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from virtbus.errors import HypervisorError

_TUNSETIFF = 0x400454CA
_TUNSETPERSIST = 0x400454CB
_TUNSETOWNER = 0x400454CC
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR, _IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFMTU, _SIOCBRADDIF = 0x8913, 0x8914, 0x8922, 0x89A2
_IFF_UP = 0x1

_NAME_BYTES = 15


def make(
    name: str, *, bridge: str | None = None, mtu: int | None = None, queues: int = 1, owner: int | None = None
) -> None:
    """Make a tap device, up, and on a bridge where one is named. One that is there is taken as it is.

    :param owner: the user number that may open it; None for root only.
    :raise HypervisorError: the kernel refuses: no rights, no such bridge, a name too long.
    """
    if len(name.encode()) > _NAME_BYTES:
        raise HypervisorError(f"a network device's name has at most {_NAME_BYTES} characters, {name} is longer")
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | (_IFF_MULTI_QUEUE if queues > 1 else 0)
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
            if owner is not None:
                fcntl.ioctl(descriptor, _TUNSETOWNER, owner)
            fcntl.ioctl(descriptor, _TUNSETPERSIST, 1)
        finally:
            os.close(descriptor)
        _bring_up(name, bridge, mtu)
    except OSError as error:
        remove(name, queues=queues)
        raise HypervisorError(
            f"cannot make network device {name}" + (f" on bridge {bridge}: " if bridge else ": ") + str(error.strerror),
            hint="the worker needs CAP_NET_ADMIN, and the bridge must exist",
        ) from error


def exists(name: str) -> bool:
    """Whether the host has a network device of that name."""
    return bool(name) and Path(f"/sys/class/net/{name}").exists()


def remove(name: str, *, queues: int = 1) -> None:
    """Remove a tap device; one that is not there, or that QEMU still has open, is let be."""
    if not exists(name):
        return
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | (_IFF_MULTI_QUEUE if queues > 1 else 0)
    with suppress(OSError):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
            fcntl.ioctl(descriptor, _TUNSETPERSIST, 0)
        finally:
            os.close(descriptor)


def _bring_up(name: str, bridge: str | None, mtu: int | None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        if mtu is not None:
            fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", name.encode(), mtu))
        if bridge is not None:
            number = socket.if_nametoindex(name)
            fcntl.ioctl(control, _SIOCBRADDIF, struct.pack("16si20x", bridge.encode(), number))
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
        current = struct.unpack("16sH22x", answer)[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), current | _IFF_UP))
