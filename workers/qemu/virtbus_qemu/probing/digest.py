"""What is kept of one QEMU binary: libvirt's <qemuCaps> document.

Processors and machines are listed once per accelerator, each group after its host CPU, so that the document is a
sequence rather than a fixed set of children; `Digest` reads and writes that sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from virtbus.errors import XmlError
from virtbus.xml import Element, UInt, ULong, attribute, child, children, parse_document, text
from virtbus.xml.form import Mode


class Flag(Element, tag="flag"):
    """A capability flag."""

    name: str = attribute()


class CpuProperty(Element, tag="property"):
    """A property of the host's processor, as the accelerator can give it to a guest."""

    name: str = attribute()
    type: str | None = attribute()
    value: str | None = attribute()
    migratable: bool | None = attribute()


class Deprecated(Element, tag="deprecatedFeatures"):
    """Features that a guest should no longer use."""

    properties: list[CpuProperty] = children()


class HostModel(Element, tag="hostCPU"):
    """What of the host's processor an accelerator can give to a guest."""

    type: str = attribute()
    model: str = attribute()
    migratability: bool = attribute()
    properties: list[CpuProperty] = children()
    deprecated: Deprecated | None = child()


class Blocker(Element, tag="blocker"):
    """A feature that keeps a model from running here."""

    name: str = attribute()


class GuestModel(Element, tag="cpu"):
    """A processor model."""

    type: str = attribute()
    name: str = attribute()
    typename: str | None = attribute()
    usable: bool | None = attribute()
    deprecated: bool | None = attribute()
    blockers: list[Blocker] = children()


class MachineType(Element, tag="machine"):
    """A machine type."""

    type: str = attribute()
    name: str = attribute()
    alias: str | None = attribute()
    hotplug_cpus: bool | None = attribute("hotplugCpus")
    max_cpus: UInt | None = attribute("maxCpus")
    default: bool | None = attribute()
    default_cpu: str | None = attribute("defaultCPU")
    numa_mem: bool | None = attribute("numaMemSupported")
    default_ram_id: str | None = attribute("defaultRAMid")
    deprecated: bool | None = attribute()
    acpi: bool | None = attribute()


class Gic(Element, tag="gic"):
    """A version of ARM's interrupt controller."""

    version: UInt = attribute()
    kernel: bool = attribute()
    emulated: bool = attribute()


class Sev(Element, tag="sev"):
    """AMD's encrypted guests: what a guest's owner needs to know of the host."""

    cbitpos: UInt = child()
    reduced_phys_bits: UInt = child("reducedPhysBits")
    pdh: str = child()
    cert_chain: str = child("certChain")
    cpu0_id: str | None = child("cpu0Id")
    max_guests: UInt | None = child("maxGuests")
    max_es_guests: UInt | None = child("maxESGuests")


class SectionSize(Element, tag="section_size"):
    """The size of all enclave memory."""

    unit: str = attribute()
    value: ULong = text()


class Section(Element, tag="section"):
    """The enclave memory of one NUMA node, in KiB."""

    node: UInt = attribute()
    size: ULong = attribute()
    unit: str = attribute()


class Sections(Element, tag="sections"):
    """The enclave memory of every node."""

    sections: list[Section] = children()


class Sgx(Element, tag="sgx"):
    """Intel's enclaves."""

    supported: bool = attribute()
    flc: bool = child()
    sgx1: bool | None = child()
    sgx2: bool | None = child()
    section_size: SectionSize = child()
    sections: Sections | None = child()


class Enlightenment(Element, tag="cap"):
    """One of Hyper-V's interfaces."""

    name: str = attribute()


class HyperV(Element, tag="hypervCapabilities"):
    """Which of Hyper-V's interfaces guests can be given."""

    supported: bool = attribute()
    caps: list[Enlightenment] = children()


class Head(Element, tag="qemuCaps"):
    """What is said before the accelerators."""

    emulator: str = child()
    qemuctime: ULong = child(default=0)
    selfctime: ULong = child(default=0)
    selfvers: ULong = child(default=0)
    flags: list[Flag] = children()
    version: UInt = child()
    microcode: UInt | None = child("microcodeVersion")
    package: str | None = child()
    arch: str = child()


@dataclass(slots=True)
class Accelerator:
    """What one accelerator offers."""

    name: str
    """kvm, hvf or tcg."""
    host: HostModel | None = None
    cpus: list[GuestModel] = field(default_factory=list)
    machines: list[MachineType] = field(default_factory=list)

    def parts(self) -> Iterator[Element]:
        """In the document's order."""
        if self.host is not None:
            yield self.host
        yield from self.cpus
        yield from self.machines


_BY_TAG: dict[str, type[Element]] = {
    kind.element_tag or "": kind for kind in (HostModel, GuestModel, MachineType, Gic, Sev, Sgx, HyperV)
}


@dataclass(slots=True)
class Digest:
    """What one QEMU binary can do on this host."""

    head: Head
    accelerators: list[Accelerator] = field(default_factory=list)
    """The fastest first."""
    gics: list[Gic] = field(default_factory=list)
    sev: Sev | None = None
    sgx: Sgx | None = None
    hyperv: HyperV | None = None

    @property
    def flags(self) -> frozenset[str]:
        """The names of the capability flags."""
        return frozenset(flag.name for flag in self.head.flags)

    def has(self, flag: str) -> bool:
        """Whether the binary has a capability flag."""
        return flag in self.flags

    def accelerator(self, name: str) -> Accelerator | None:
        """What an accelerator offers; None where the host has none of that name."""
        return next((each for each in self.accelerators if each.name == name), None)

    def format(self) -> str:
        """The <qemuCaps> document."""
        mode = Mode()
        out: list[str] = []
        self.head.write("qemuCaps", "", out, mode, empty=True)
        closing = out.pop()
        for part in self._parts():
            part.write(part.element_tag or "", "  ", out, mode, empty=True)
        return "\n".join([*out, closing]) + "\n"

    def _parts(self) -> Iterator[Element]:
        for accelerator in self.accelerators:
            yield from accelerator.parts()
        yield from self.gics
        yield from (part for part in (self.sev, self.sgx, self.hyperv) if part is not None)

    @classmethod
    def parse(cls, xml: str | bytes) -> Digest:
        """A <qemuCaps> document.

        :raise XmlError: it is none.
        """
        root = parse_document(xml)
        if root.tag != "qemuCaps":
            raise XmlError(f"unexpected root element <{root.tag}>, expecting <qemuCaps>")
        found = [(node, _BY_TAG[str(node.tag)]) for node in root if node.tag in _BY_TAG]
        parts = [kind.parse_node(node) for node, kind in found]
        for node, _ in found:
            root.remove(node)
        digest = cls(Head.parse_node(root))
        for part in parts:
            digest._add(part)
        return digest

    def _add(self, part: Element) -> None:
        match part:
            case HostModel() | GuestModel() | MachineType():
                self._add_to(part)
            case Gic():
                self.gics.append(part)
            case Sev():
                self.sev = part
            case Sgx():
                self.sgx = part
            case HyperV():
                self.hyperv = part

    def _add_to(self, part: HostModel | GuestModel | MachineType) -> None:
        accelerator = self.accelerator(part.type)
        if accelerator is None:
            accelerator = Accelerator(part.type)
            self.accelerators.append(accelerator)
        match part:
            case HostModel():
                accelerator.host = part
            case GuestModel():
                accelerator.cpus.append(part)
            case MachineType():
                accelerator.machines.append(part)
