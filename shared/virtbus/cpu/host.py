"""A host's processor, as the capabilities document describes it."""

from __future__ import annotations

from virtbus.xml import Element, UInt, ULong, attribute, child, children


class Microcode(Element, tag="microcode"):
    """The revision of the processor's microcode."""

    version: UInt = attribute()


class HostSignature(Element, tag="signature"):
    """What the real processor says it is."""

    family: UInt = attribute()
    model: UInt = attribute()
    stepping: UInt = attribute()


class Counter(Element, tag="counter"):
    """A clock of the processor, in Hz."""

    name: str = attribute()
    frequency: ULong = attribute()
    scaling: bool | None = attribute()


class HostAddressBits(Element, tag="maxphysaddr"):
    """How wide physical addresses are."""

    mode: str = attribute()
    bits: UInt | None = attribute()


class HostTopology(Element, tag="topology"):
    """How the processors of one NUMA node are arranged."""

    sockets: UInt = attribute()
    dies: UInt | None = attribute()
    clusters: UInt | None = attribute()
    cores: UInt = attribute()
    threads: UInt = attribute()


class HostFeature(Element, tag="feature"):
    """A feature beyond those of the model."""

    name: str = attribute()


class PageSize(Element, tag="pages"):
    """A size of memory pages."""

    unit: str = attribute()
    size: ULong = attribute()


class HostCpu(Element, tag="cpu", empty=True):
    """The processor."""

    arch: str | None = child()
    model: str | None = child()
    vendor: str | None = child()
    microcode: Microcode | None = child()
    signature: HostSignature | None = child()
    counter: Counter | None = child()
    maxphysaddr: HostAddressBits | None = child()
    topology: HostTopology | None = child()
    features: list[HostFeature] = children()
    pages: list[PageSize] = children()
