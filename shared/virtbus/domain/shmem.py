"""Memory that guests share."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device
from virtbus.errors import XmlError
from virtbus.xml import Element, OnOff, Refusal, UInt, attribute, child


class ShmemModel(StrEnum):
    """Which device shares memory between guests."""

    IVSHMEM = "ivshmem"
    IVSHMEM_PLAIN = "ivshmem-plain"
    IVSHMEM_DOORBELL = "ivshmem-doorbell"


class ShmemRole(StrEnum):
    """Whether the memory survives this guest's migration."""

    MASTER = "master"
    PEER = "peer"


class ShmemServer(Element, tag="server", empty=True):
    """The socket of the server that hands the memory out."""

    path: str | None = attribute()


class ShmemMsi(Element, tag="msi", empty=True):
    """The interrupts by which guests wake each other."""

    vectors: UInt | None = attribute()
    ioeventfd: OnOff | None = attribute()


UNEVEN_SIZE = Refusal(XmlError, "shmem size must be a power of 2 and at least 1 MiB (1024 KiB)")


class Shmem(Device, tag="shmem"):
    """Memory that guests share; `size` is in MiB."""

    name: str = attribute()
    role: ShmemRole | None = attribute()
    model: ShmemModel | None = child(attribute="type")
    size: int | None = child(unit="M", assumed="bytes", exact=UNEVEN_SIZE)
    server: ShmemServer | None = child()
    msi: ShmemMsi | None = child()
