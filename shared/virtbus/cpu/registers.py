"""What a processor says of itself: the registers that CPUID leaves and model-specific registers (MSR) hold.

A CPUID leaf has an input (EAX, ECX) and four results; an MSR has an index and two halves. Sources: Intel SDM volume 2
(CPUID) and volume 4 (MSR); AMD APM volume 3, appendix E.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lxml import etree

from virtbus.errors import XmlError
from virtbus.xml import parse_document

#: The CPUID leaf whose EBX, EDX and ECX spell the vendor's twelve letters, and the one whose EAX is the signature.
VENDOR_LEAF = 0
SIGNATURE_LEAF = 1


class Register(NamedTuple):
    """One 32-bit result."""

    kind: str
    """`cpuid` or `msr`."""
    leaf: int
    """EAX on input, or the MSR's index."""
    subleaf: int
    """ECX on input; 0 for an MSR."""
    name: str
    """eax, ebx, ecx or edx."""


class Signature(NamedTuple):
    """Family, model and stepping, as CPUID leaf 1 gives them."""

    family: int
    model: int
    stepping: int

    @classmethod
    def unpack(cls, eax: int) -> Signature:
        """From CPUID.1:EAX: the extended family and model count only for some base families (Intel SDM, CPUID)."""
        family = (eax >> 8) & 0xF
        model = (eax >> 4) & 0xF
        if family in (0x6, 0xF):
            model += ((eax >> 16) & 0xF) << 4
        if family == 0xF:
            family += (eax >> 20) & 0xFF
        return cls(family, model, eax & 0xF)

    def pack(self) -> int:
        """CPUID.1:EAX."""
        base = min(self.family, 0xF)
        extended = self.family - base
        return extended << 20 | (self.model >> 4) << 16 | base << 8 | (self.model & 0xF) << 4 | self.stepping


@dataclass(slots=True)
class CpuRegisters:
    """All results that are known of one processor."""

    values: dict[Register, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, xml: str | bytes) -> CpuRegisters:
        """From libvirt's <cpudata> document.

        :raise XmlError: it is none, or a register is no number.
        """
        root = parse_document(xml)
        if root.tag != "cpudata":
            raise XmlError(f"unexpected root element <{root.tag}>, expecting <cpudata>")
        found = cls()
        for node in root.iterchildren("cpuid", "msr"):
            found.values |= registers_of(node)
        return found

    @property
    def vendor(self) -> str | None:
        """The vendor's twelve letters, such as GenuineIntel."""
        words = [self.values.get(Register("cpuid", VENDOR_LEAF, 0, name), 0) for name in ("ebx", "edx", "ecx")]
        if not any(words):
            return None
        return b"".join(word.to_bytes(4, "little") for word in words).decode("latin-1")

    @property
    def signature(self) -> int | None:
        """CPUID.1:EAX; None where it is not known."""
        return self.values.get(Register("cpuid", SIGNATURE_LEAF, 0, "eax"))


def registers_of(node: etree._Element) -> dict[Register, int]:
    """The registers that a <cpuid> or <msr> element names, with their values.

    :raise XmlError: a value is no number.
    """
    kind = str(node.tag)
    try:
        if kind == "msr":
            leaf, subleaf = int(node.get("index", ""), 0), 0
            names: tuple[str, ...] = ("eax", "edx")
        else:
            leaf, subleaf = int(node.get("eax_in", ""), 0), int(node.get("ecx_in", "0"), 0)
            names = ("eax", "ebx", "ecx", "edx")
        given = {name: int(node.get(name, "0"), 0) for name in names}
    except ValueError as error:
        raise XmlError(f"invalid register in <{kind}>: {error}") from None
    return {Register(kind, leaf, subleaf, name): value for name, value in given.items() if value}
