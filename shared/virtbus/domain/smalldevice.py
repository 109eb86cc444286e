"""Sockets between guest and host, and devices that encrypt for the guest."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.address import Address
from virtbus.domain.device import AcpiIndex, Device, VirtioDriver, VirtioOptions, generated
from virtbus.xml import Element, UInt, attribute, child


class VsockModel(StrEnum):
    """Which generation of virtio is spoken."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class Cid(Element, tag="cid"):
    """The guest's number among those of the host."""

    auto: bool | None = attribute()
    address: UInt | None = attribute()


class Vsock(Device, tag="vsock", empty=True):
    """Sockets between guest and host."""

    model: VsockModel | None = attribute()
    cid: Cid | None = child()
    alias: str | None = child(attribute="name", live=generated)
    acpi: AcpiIndex | None = child()
    address: Address | None = child()
    driver: VirtioDriver | None = child()


class CryptoBackend(Element, tag="backend"):
    """Who does a crypto device's work."""

    model: str = attribute()
    queues: UInt | None = attribute()


class CryptoDriver(VirtioOptions, tag="driver"):
    """How the hypervisor serves a crypto device."""


class Crypto(Device, tag="crypto"):
    """A device that encrypts for the guest."""

    model: str = attribute()
    type: str = attribute()
    backend: CryptoBackend = child()
    driver: CryptoDriver | None = child()
