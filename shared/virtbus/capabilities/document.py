"""The <capabilities> document: the host, and what kinds of guests it runs."""

from __future__ import annotations

from uuid import UUID

from virtbus.capabilities.topology import Caches, MemoryBandwidth, Topology
from virtbus.cpu.host import HostCpu
from virtbus.xml import Element, OnOff, UInt, attribute, child, children, flag, text


class PowerManagement(Element, tag="power_management", empty=True):
    """How the host can sleep."""

    suspend_mem: bool = flag()
    suspend_disk: bool = flag()
    suspend_hybrid: bool = flag()


class Iommu(Element, tag="iommu"):
    """Whether devices can be handed to guests."""

    support: bool = attribute()


class UriTransports(Element, tag="uri_transports"):
    """How migrations can be carried."""

    transports: list[str] = children("uri_transport")


class Migration(Element, tag="migration_features", empty=True):
    """How guests can leave for another host."""

    live: bool = flag()
    uri_transports: UriTransports | None = child()


class BaseLabel(Element, tag="baselabel"):
    """The label that guests of a type start from."""

    type: str = attribute()
    label: str = text()


class SecurityModel(Element, tag="secmodel"):
    """A security driver."""

    model: str = child()
    doi: str = child()
    labels: list[BaseLabel] = children()


class Host(Element, tag="host"):
    """The host itself."""

    uuid: UUID | None = child()
    cpu: HostCpu = child(always=True)
    power_management: PowerManagement | None = child()
    iommu: Iommu | None = child()
    migration: Migration | None = child()
    topology: Topology | None = child()
    cache: Caches | None = child()
    memory_bandwidth: MemoryBandwidth | None = child()
    security: list[SecurityModel] = children()


class GuestMachine(Element, tag="machine"):
    """A machine type; under an alias `canonical` names the real one."""

    canonical: str | None = attribute()
    max_cpus: UInt | None = attribute("maxCpus")
    deprecated: bool | None = attribute()
    name: str = text()


class GuestDomain(Element, tag="domain"):
    """A way to run such guests, such as kvm."""

    type: str = attribute()
    emulator: str | None = child()
    machines: list[GuestMachine] = children()


class GuestArch(Element, tag="arch"):
    """The architecture of such guests."""

    name: str = attribute()
    wordsize: UInt = child()
    emulator: str | None = child()
    loader: str | None = child()
    machines: list[GuestMachine] = children()
    domains: list[GuestDomain] = children()


class Toggle(Element):
    """A feature that guests have or not, unless told otherwise."""

    default: OnOff = attribute()
    toggle: bool = attribute()


class GuestFeatures(Element, tag="features"):
    """What such guests can have."""

    acpi: Toggle | None = child()
    apic: Toggle | None = child()
    pae: bool = flag()
    nonpae: bool = flag()
    cpuselection: bool = flag()
    deviceboot: bool = flag()
    disksnapshot: Toggle | None = child()
    external_snapshot: bool = flag("externalSnapshot")


class Guest(Element, tag="guest"):
    """A kind of guest that the host runs."""

    os_type: str = child()
    arch: GuestArch = child()
    features: GuestFeatures | None = child()


class Capabilities(Element, tag="capabilities"):
    """The host and its kinds of guests."""

    host: Host = child()
    guests: list[Guest] = children()
