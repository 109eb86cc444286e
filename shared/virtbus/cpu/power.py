"""POWER processors: a model is a processor version register (PVR), compared under a mask; there are no features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from virtbus.cpu.compare import Comparison
from virtbus.cpu.definition import CpuDefinition
from virtbus.domain.cpu import Cpu, CpuFallback, CpuMatch, CpuMode, CpuModel
from virtbus.errors import ConfigUnsupported
from virtbus.xml import parse_document

#: Models that are only revisions of another, under the names that older documents use.
LEGACY = {"POWER7_v2.1": "POWER7", "POWER7_v2.3": "POWER7", "POWER7+_v2.1": "POWER7", "POWER8_v1.0": "POWER8"}


@dataclass(slots=True)
class PowerTable:
    """The models, each with its vendor, and with value and mask of its PVR."""

    vendors: set[str] = field(default_factory=set)
    models: dict[str, str | None] = field(default_factory=dict)
    versions: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> PowerTable:
        """The table in libvirt's format, as `CpuTable.load`."""
        table = cls()
        index = parse_document((folder / "index.xml").read_bytes())
        for include in index.iterfind("arch[@name='ppc64']//include"):
            for node in parse_document((folder / include.get("filename", "")).read_bytes()):
                name = node.get("name", "")
                if node.tag == "vendor":
                    table.vendors.add(name)
                elif node.tag == "model":
                    vendor = node.find("vendor")
                    table.models[name] = vendor.get("name") if vendor is not None else None
                    table.versions[name] = [
                        (int(pvr.get("value", "0"), 0), int(pvr.get("mask", "0xffffffff"), 0))
                        for pvr in node.iterchildren("pvr")
                    ]
        return table

    def model(self, name: str | None) -> str:
        """The name of a model, revisions resolved.

        :raise ConfigUnsupported: there is none of that name.
        """
        known = LEGACY.get(name or "", name)
        if known is None or known not in self.models:
            raise ConfigUnsupported(f"Unknown CPU model {name}")
        return known

    def compare(self, host: CpuDefinition, wanted: CpuDefinition) -> Comparison:
        """How a host's processor relates to what is wanted.

        :raise ConfigUnsupported: a model is unknown.
        """
        if wanted.vendor and wanted.vendor != host.vendor:
            return Comparison.INCOMPATIBLE
        if self.model(host.model) != self.model(wanted.model):
            return Comparison.INCOMPATIBLE
        return Comparison.IDENTICAL

    def baseline(self, cpus: Sequence[CpuDefinition]) -> Cpu:
        """What all have in common: they must be of one model.

        :raise ConfigUnsupported: they are not, or a vendor is unknown or another than the model's.
        """
        names = {self.model(cpu.model) for cpu in cpus}
        for cpu in cpus:
            if cpu.vendor and cpu.vendor not in self.vendors:
                raise ConfigUnsupported(f"Unknown CPU vendor {cpu.vendor}")
            own = self.models[self.model(cpu.model)]
            if cpu.vendor and own and cpu.vendor != own:
                raise ConfigUnsupported(f"CPU vendor {own} of model {cpu.model} differs from vendor {cpu.vendor}")
        if len(names) != 1:
            raise ConfigUnsupported("CPUs are incompatible")
        return Cpu(
            mode=CpuMode.CUSTOM,
            match=CpuMatch.EXACT,
            model=CpuModel(name=names.pop(), fallback=CpuFallback.FORBID),
        )
