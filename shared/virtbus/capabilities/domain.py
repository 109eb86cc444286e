"""The <domainCapabilities> document: what a domain of one kind may ask for."""

from __future__ import annotations

from virtbus.domain.cpu import CpuFeature, PhysicalAddress
from virtbus.xml import Element, UInt, ULong, attribute, child, children, text
from virtbus.xml.form import Mode as Writing


class Values(Element, tag="enum", empty=True):
    """The values that an attribute may have; none means that it may not be given."""

    name: str = attribute()
    values: list[str] = children("value")


class Offer(Element, empty=True):
    """A thing that is there or not, and the choices that go with it."""

    supported: bool = attribute()
    enums: list[Values] = children("enum")

    @classmethod
    def of(cls, supported: bool = True, **choices: list[str]) -> Offer:
        """An offer with its choices by name; what is not supported has no choices."""
        enums = [Values(name=name, values=values) for name, values in choices.items()] if supported else []
        return cls(supported=supported, enums=enums)


class Loader(Element, tag="loader", empty=True):
    """The firmware images that a domain may name."""

    supported: bool = attribute()
    values: list[str] = children("value")
    enums: list[Values] = children("enum")


class Os(Element, tag="os", empty=True):
    """How a domain may boot."""

    supported: bool = attribute()
    enums: list[Values] = children("enum")
    loader: Loader | None = child()


class NamedModel(Element, tag="model"):
    """A processor model that a domain may name; in host-model, the one that comes nearest to the host."""

    fallback: str | None = attribute()
    usable: str | None = attribute()
    """yes, no or unknown."""
    deprecated: bool | None = attribute()
    vendor: str | None = attribute()
    canonical: str | None = attribute()
    name: str = text()


class BlockingFeature(Element, tag="feature"):
    """A feature that the host lacks."""

    name: str = attribute()


class Blockers(Element, tag="blockers"):
    """Why a model cannot be used here."""

    model: str = attribute()
    features: list[BlockingFeature] = children()


class CpuMode(Element, tag="mode", empty=True):
    """A way to choose the virtual processor."""

    name: str = attribute()
    supported: bool = attribute()
    enums: list[Values] = children("enum")
    models: list[NamedModel] = children()
    blockers: list[Blockers] = children()
    vendor: str | None = child()
    maxphysaddr: PhysicalAddress | None = child()
    features: list[CpuFeature] = children()

    def write(self, tag: str, pad: str, out: list[str], mode: Writing, *, empty: bool = False) -> None:
        """As every element; but the blockers of a model follow that model."""
        if not self.blockers:
            super().write(tag, pad, out, mode, empty=empty)
            return
        reasons = {each.model: each for each in self.blockers}
        out.append(f"{pad}<{tag} name='{self.name}' supported='{'yes' if self.supported else 'no'}'>")
        for model in self.models:
            model.write("model", pad + "  ", out, mode)
            if model.name in reasons:
                reasons[model.name].write("blockers", pad + "  ", out, mode)
        out.append(f"{pad}</{tag}>")


class CpuOffer(Element, tag="cpu", empty=True):
    """The ways to choose the virtual processor."""

    modes: list[CpuMode] = children()


class Devices(Element, tag="devices", empty=True):
    """The kinds of devices; one that is not named is not known about."""

    disk: Offer | None = child()
    graphics: Offer | None = child()
    video: Offer | None = child()
    hostdev: Offer | None = child()
    rng: Offer | None = child()
    filesystem: Offer | None = child()
    tpm: Offer | None = child()
    redirdev: Offer | None = child()
    channel: Offer | None = child()
    crypto: Offer | None = child()
    interface: Offer | None = child()
    panic: Offer | None = child()


class SevOffer(Element, tag="sev", empty=True):
    """AMD's encrypted guests."""

    supported: bool = attribute()
    cbitpos: UInt | None = child()
    reduced_phys_bits: UInt | None = child("reducedPhysBits")
    max_guests: UInt | None = child("maxGuests")
    max_es_guests: UInt | None = child("maxESGuests")
    cpu0_id: str | None = child("cpu0Id")


class SectionSize(Element, tag="section_size"):
    """The size of all enclave memory."""

    unit: str = attribute()
    value: ULong = text()


class Section(Element, tag="section"):
    """The enclave memory of one NUMA node."""

    node: UInt = attribute()
    size: ULong = attribute()
    unit: str = attribute()


class Sections(Element, tag="sections"):
    """The enclave memory of every node."""

    sections: list[Section] = children()


class SgxOffer(Element, tag="sgx", empty=True):
    """Intel's enclaves."""

    supported: bool = attribute()
    flc: bool | None = child()
    sgx1: bool | None = child()
    sgx2: bool | None = child()
    section_size: SectionSize | None = child()
    sections: Sections | None = child()


class Features(Element, tag="features", empty=True):
    """What else a domain may ask for."""

    gic: Offer | None = child()
    vmcoreinfo: Offer | None = child()
    genid: Offer | None = child()
    backing_store_input: Offer | None = child("backingStoreInput")
    backup: Offer | None = child()
    async_teardown: Offer | None = child("async-teardown")
    s390_pv: Offer | None = child("s390-pv")
    ps2: Offer | None = child()
    tdx: Offer | None = child()
    sev: SevOffer | None = child()
    sgx: SgxOffer | None = child()
    hyperv: Offer | None = child()
    launch_security: Offer | None = child("launchSecurity")


class VcpuLimit(Element, tag="vcpu"):
    """How many virtual CPUs a domain may have."""

    max: UInt = attribute()


class DomainCapabilities(Element, tag="domainCapabilities"):
    """What a domain of one machine type may ask for."""

    path: str = child()
    domain: str = child()
    machine: str | None = child()
    arch: str = child()
    vcpu: VcpuLimit | None = child()
    iothreads: Offer | None = child()
    os: Os = child()
    cpu: CpuOffer = child()
    memory_backing: Offer | None = child("memoryBacking")
    devices: Devices = child()
    features: Features = child()
