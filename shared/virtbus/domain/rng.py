"""Random number generators."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.chardev import CharProtocol, CharSource, CharType
from virtbus.domain.device import Device, VirtioDriver
from virtbus.xml import Element, UInt, attribute, child, children, text


class RngModel(StrEnum):
    """Which generation of virtio the device speaks."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class RngBackendModel(StrEnum):
    """Where the entropy comes from: a device of the host, a daemon, or the hypervisor itself."""

    RANDOM = "random"
    EGD = "egd"
    BUILTIN = "builtin"


class RngRate(Element, tag="rate"):
    """How many bytes the guest may take in a period of milliseconds."""

    bytes: UInt = attribute()
    period: UInt | None = attribute()


class RngBackend(Element, tag="backend"):
    """The source of the entropy; for `random` the path is the host's device."""

    model: RngBackendModel = attribute()
    type: CharType | None = attribute()
    path: str | None = text()
    sources: list[CharSource] = children("source")
    protocol: CharProtocol | None = child(attribute="type")


class Rng(Device, tag="rng"):
    """A random number generator."""

    model: RngModel = attribute()
    rate: RngRate | None = child()
    backend: RngBackend = child()
    driver: VirtioDriver | None = child()
