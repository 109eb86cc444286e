"""One view of a processor for comparing: a host's or a guest's, with each feature's policy."""

from __future__ import annotations

from dataclasses import dataclass, field

from virtbus.cpu.host import HostCpu
from virtbus.cpu.table import CpuTable
from virtbus.domain.cpu import Cpu, CpuFallback, CpuFeaturePolicy, CpuMatch, CpuMode

_GIVEN = (CpuFeaturePolicy.FORCE, CpuFeaturePolicy.REQUIRE)
_WITHHELD = (CpuFeaturePolicy.DISABLE, CpuFeaturePolicy.FORBID)


@dataclass(slots=True)
class CpuDefinition:
    """A processor that somebody described."""

    arch: str | None = None
    model: str | None = None
    vendor: str | None = None
    features: dict[str, CpuFeaturePolicy] = field(default_factory=dict)
    guest: bool = False
    match: CpuMatch = CpuMatch.EXACT
    mode: CpuMode = CpuMode.CUSTOM
    fallback: CpuFallback = CpuFallback.ALLOW

    @classmethod
    def of_host(cls, cpu: HostCpu) -> CpuDefinition:
        """A host's processor; it has every feature that is named."""
        return cls(
            arch=cpu.arch,
            model=cpu.model,
            vendor=cpu.vendor,
            features={feature.name: CpuFeaturePolicy.REQUIRE for feature in cpu.features},
        )

    @classmethod
    def of_guest(cls, cpu: Cpu) -> CpuDefinition:
        """What a domain asks for."""
        return cls(
            model=cpu.model.name if cpu.model else None,
            vendor=cpu.vendor,
            features={feature.name: feature.policy or CpuFeaturePolicy.REQUIRE for feature in cpu.features},
            guest=True,
            match=cpu.match or CpuMatch.EXACT,
            mode=cpu.mode or CpuMode.CUSTOM,
            fallback=(cpu.model.fallback if cpu.model else None) or CpuFallback.ALLOW,
        )

    def bits(self, table: CpuTable) -> int:
        """All features that it has: the model's, and what the policies add and take away.

        :raise ConfigUnsupported: its model or a feature is unknown.
        """
        bits = table.model(self.model).bits if self.model else 0
        for name, policy in self.features.items():
            if policy in _GIVEN:
                bits |= table.feature(name).bits
            elif policy in _WITHHELD:
                bits &= ~table.feature(name).bits
        return bits

    def required(self, table: CpuTable) -> int:
        """The model's features and those required by name."""
        bits = table.model(self.model).bits if self.model else 0
        return bits | self.under(table, CpuFeaturePolicy.REQUIRE)

    def under(self, table: CpuTable, policy: CpuFeaturePolicy) -> int:
        """The features that are named with a policy."""
        return table.bits(name for name, each in self.features.items() if each is policy)
