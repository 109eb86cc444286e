"""The table of processor models: which features there are, where CPUID shows them, and which models have them.

A set of features is one whole number, so that "is contained in" and "without" are single operations: every register
that any feature uses has 32 bits of its own in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from lxml import etree

from virtbus.cpu.registers import CpuRegisters, Register, Signature, registers_of
from virtbus.errors import ConfigUnsupported
from virtbus.xml import parse_document


@dataclass(frozen=True, slots=True)
class Vendor:
    """A maker of processors."""

    name: str
    """libvirt's name, such as Intel."""
    letters: str
    """What CPUID spells, such as GenuineIntel."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A named feature."""

    name: str
    bits: int
    migratable: bool = True
    """Whether a guest that uses it can move to another host."""


@dataclass(frozen=True, slots=True)
class Match:
    """A family and model of real processors; `steppings` is empty where any will do."""

    family: int
    model: int
    steppings: frozenset[int] = frozenset()

    def accepts(self, signature: Signature) -> bool:
        """Whether a real processor of this signature is meant."""
        same = (self.family, self.model) == (signature.family, signature.model)
        return same and (not self.steppings or signature.stepping in self.steppings)


@dataclass(frozen=True, slots=True)
class Model:
    """A named model."""

    name: str
    bits: int
    vendor: str | None = None
    signatures: tuple[Match, ...] = ()
    host: bool = True
    """Whether a host may be called so."""
    guest: bool = True
    """Whether a guest may be called so."""
    canonical: str | None = None
    """The model of which this is only another name."""
    added: frozenset[str] = frozenset()
    """Features that the model got after its first publication; older definitions do not mean them."""
    removed: frozenset[str] = frozenset()
    """Features that it lost since then; older definitions mean them."""

    def accepts(self, signature: Signature) -> bool:
        """Whether a real processor of this signature is of this model."""
        return any(match.accepts(signature) for match in self.signatures)


@dataclass(frozen=True, slots=True)
class CpuData:
    """What is known of one processor, in terms of a table."""

    bits: int = 0
    vendor: str | None = None
    """The vendor's name in the table."""
    signature: int | None = None
    """CPUID.1:EAX; 0 where a hypervisor chose none, None where there is no one processor to ask."""

    def with_bits(self, bits: int) -> CpuData:
        """The same processor with other features."""
        return CpuData(bits, self.vendor, self.signature)


@dataclass(slots=True)
class CpuTable:
    """Vendors, features and models of x86, each in the order of its source."""

    vendors: dict[str, Vendor] = field(default_factory=dict)
    features: dict[str, Feature] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """QEMU's name of a feature to libvirt's, where they differ."""
    shifts: dict[Register, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, arch: str = "x86") -> CpuTable:
        """The table in libvirt's format: `index.xml` and the files that it includes.

        :raise OSError: a file cannot be read.
        :raise XmlError: a file is not well formed.
        """
        return _load(folder, arch)

    def feature(self, name: str) -> Feature:
        """:raise ConfigUnsupported: there is none of that name."""
        found = self.features.get(name)
        if found is None:
            raise ConfigUnsupported(f"Unknown CPU feature {name}")
        return found

    def model(self, name: str) -> Model:
        """:raise ConfigUnsupported: there is none of that name."""
        found = self.models.get(name)
        if found is None:
            raise ConfigUnsupported(f"Unknown CPU model {name}")
        return found

    def data(self, registers: CpuRegisters) -> CpuData:
        """A processor's registers in terms of this table; what no feature needs is left out."""
        return CpuData(self.pack(registers.values), self.vendor_of(registers.vendor), registers.signature)

    def pack(self, values: Mapping[Register, int]) -> int:
        """Registers as a set of features."""
        bits = 0
        for register, value in values.items():
            shift = self.shifts.get(register)
            if shift is not None:
                bits |= value << shift
        return bits

    def vendor_of(self, letters: str | None) -> str | None:
        """The name of the vendor whom CPUID spells so."""
        return next((vendor.name for vendor in self.vendors.values() if vendor.letters == letters), None)

    def names(self, bits: int) -> list[str]:
        """The features in a set, in the table's order; features of the same bits count once."""
        found = []
        for feature in self.features.values():
            if feature.bits and feature.bits & bits == feature.bits:
                found.append(feature.name)
                bits &= ~feature.bits
        return found

    def bits(self, names: Iterable[str]) -> int:
        """A set of features by their names.

        :raise ConfigUnsupported: one is unknown.
        """
        bits = 0
        for name in names:
            bits |= self.feature(name).bits
        return bits


@lru_cache(maxsize=4)
def _load(folder: Path, arch: str) -> CpuTable:
    table = CpuTable()
    index = parse_document((folder / "index.xml").read_bytes())
    for section in index.iterchildren("arch"):
        if section.get("name") != arch:
            continue
        for include in section.iter("include"):
            for node in parse_document((folder / include.get("filename", "")).read_bytes()):
                _READERS.get(str(node.tag), _skip)(table, node)
    return table


def _skip(table: CpuTable, node: etree._Element) -> None:
    """Comments and what other architectures have."""


def _read_vendor(table: CpuTable, node: etree._Element) -> None:
    name = node.get("name", "")
    table.vendors[name] = Vendor(name, node.get("string", ""))


def _read_feature(table: CpuTable, node: etree._Element) -> None:
    name, bits = node.get("name", ""), 0
    for kid in node.iterchildren("cpuid", "msr"):
        for register, value in registers_of(kid).items():
            bits |= value << table.shifts.setdefault(register, 32 * len(table.shifts))
    table.features[name] = Feature(name, bits, node.get("migratable") != "no")
    for alias in node.iterchildren("alias"):
        if alias.get("source") == "qemu":
            table.aliases[alias.get("name", "")] = name


def _read_model(table: CpuTable, node: etree._Element) -> None:
    ancestor = node.find("model")
    parent = table.model(ancestor.get("name", "")) if ancestor is not None else None
    named = {kid.get("name", ""): kid for kid in node.iterchildren("feature")}
    removed = frozenset(name for name, kid in named.items() if kid.get("removed") == "yes")
    added = frozenset(name for name, kid in named.items() if kid.get("added") == "yes")
    vendor, decoded = node.find("vendor"), node.find("decode")
    inherited = parent.vendor if parent else None
    signatures = tuple(_match(kid) for kid in node.iterchildren("signature"))
    name = node.get("name", "")
    table.models[name] = Model(
        name=name,
        bits=(parent.bits if parent else 0) | table.bits(named.keys() - removed - added),
        vendor=vendor.get("name") if vendor is not None else inherited,
        signatures=signatures or (parent.signatures if parent else ()),
        host=decoded is None or decoded.get("host") == "on",
        guest=decoded is None or decoded.get("guest") == "on",
        canonical=parent.name if parent and not named else None,
        added=added | (parent.added if parent else frozenset()),
        removed=removed | (parent.removed if parent else frozenset()),
    )


def _match(node: etree._Element) -> Match:
    steppings: set[int] = set()
    for part in filter(None, node.get("stepping", "").split(",")):
        low, _, high = part.partition("-")
        steppings |= set(range(int(low), int(high or low) + 1))
    return Match(int(node.get("family", "0")), int(node.get("model", "0")), frozenset(steppings))


_READERS = {"vendor": _read_vendor, "feature": _read_feature, "model": _read_model}
