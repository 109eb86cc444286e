"""From what a processor can do to the named model that describes it in the fewest words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from virtbus.cpu.host import HostCpu, HostFeature, HostSignature
from virtbus.cpu.registers import Signature
from virtbus.cpu.table import CpuData, CpuTable, Model
from virtbus.domain.cpu import Cpu, CpuFallback, CpuFeature, CpuFeaturePolicy, CpuMatch, CpuMode, CpuModel
from virtbus.errors import ConfigUnsupported

#: Haswell's transactional memory is broken and switched off by microcode: family 6, model, first good stepping
#: (Intel specification updates HSD136, HSW136, HSE).
_BROKEN_TSX = {60: 16, 63: 4, 69: 16, 70: 16}


#: How much each difference from a model weighs: a feature beyond it, and one that it has and the processor has not, of
#: a processor that was built and of what several have in common. Found by what libvirt prefers for known processors.
_ADDED, _HOLE, _HOLE_OF_NONE = 4, 11, 22


@dataclass(slots=True)
class Decoded:
    """A model, and how the processor differs from it."""

    model: str
    vendor: str | None
    signature: int | None
    require: list[str] = field(default_factory=list)
    """What it has beyond the model, in the table's order."""
    disable: list[str] = field(default_factory=list)
    """What the model has and it has not."""

    def host(self, arch: str = "x86_64") -> HostCpu:
        """As a host's processor."""
        seen = Signature.unpack(self.signature) if self.signature else None
        return HostCpu(
            arch=arch,
            model=self.model,
            vendor=self.vendor,
            signature=HostSignature(family=seen.family, model=seen.model, stepping=seen.stepping) if seen else None,
            features=[HostFeature(name=name) for name in self.require],
        )

    def guest(self, fallback: CpuFallback = CpuFallback.FORBID) -> Cpu:
        """As what a domain would ask for."""
        policies = (CpuFeaturePolicy.REQUIRE, self.require), (CpuFeaturePolicy.DISABLE, self.disable)
        return Cpu(
            mode=CpuMode.CUSTOM,
            match=CpuMatch.EXACT,
            model=CpuModel(name=self.model, fallback=fallback),
            vendor=self.vendor,
            features=[CpuFeature(name=name, policy=policy) for policy, names in policies for name in names],
        )


@dataclass(frozen=True, slots=True)
class _Candidate:
    model: Model
    require: list[str]
    disable: list[str]
    matches: bool
    real: bool
    """Whether it is one processor, and not what several have in common."""

    @property
    def cost(self) -> int:
        """How badly the model describes the processor.

        A feature to switch off weighs more than one to add, since what runs in the guest expects those of the model.
        What several processors have in common was never built, so that nothing speaks for a newer model with holes.
        """
        return _ADDED * len(self.require) + (_HOLE if self.real else _HOLE_OF_NONE) * len(self.disable)


def decode(
    table: CpuTable,
    data: CpuData,
    *,
    host: bool = False,
    models: Mapping[str, Sequence[str]] | None = None,
    preferred: str | None = None,
    migratable: bool = False,
) -> Decoded:
    """The model that describes a processor best.

    :param host: a host's processor must have all of the model; a guest's may lack features of it.
    :param models: the models to choose from, with the features that keep each from running here; None for all.
    :param preferred: the model to take if it is possible at all.
    :param migratable: leave out what would keep a guest on this host.
    :raise ConfigUnsupported: no model fits.
    """
    data = without_broken_tsx(table, data)
    signature = None if data.signature is None else Signature.unpack(data.signature)
    best: _Candidate | None = None
    for model in reversed(table.models.values()):
        if not (model.host if host else model.guest) or (models is not None and model.name not in models):
            continue
        if model.vendor and data.vendor and model.vendor != data.vendor:
            continue
        candidate = _candidate(table, data.bits, model, models, signature)
        if host and candidate.disable:
            continue
        if model.name == preferred:
            best = candidate
            break
        if best is None or _better(candidate, best):
            best = candidate
    if best is None:
        raise ConfigUnsupported("Cannot find suitable CPU model for given data")
    require = [name for name in best.require if not migratable or table.features[name].migratable]
    disable = best.disable + lost(table, best.model, data.bits)
    return Decoded(best.model.name, data.vendor, data.signature, require, disable)


def lost(table: CpuTable, model: Model, bits: int) -> list[str]:
    """What a model once had and a processor has not: older versions of the model still mean it, so that is said."""
    return [name for name in sorted(model.removed) if table.features[name].bits & ~bits]


def without_broken_tsx(table: CpuTable, data: CpuData) -> CpuData:
    """The processor without transactional memory where that is known not to work."""
    seen = Signature.unpack(data.signature or 0)
    if data.vendor != "Intel" or seen.family != 6 or seen.stepping >= _BROKEN_TSX.get(seen.model, 0):
        return data
    broken = table.bits(name for name in ("hle", "rtm") if name in table.features)
    return data.with_bits(data.bits & ~broken)


def _candidate(
    table: CpuTable,
    bits: int,
    model: Model,
    models: Mapping[str, Sequence[str]] | None,
    signature: Signature | None,
) -> _Candidate:
    """How the processor differs from one model; what the hypervisor lacks for it must be switched off by name."""
    known = (table.features.get(name) for name in (models or {}).get(model.name, ()))
    own = model.bits
    for feature in known:
        if feature is not None and feature.bits & bits != feature.bits:
            own |= feature.bits
    matches = signature is not None and model.accepts(signature)
    return _Candidate(model, table.names(bits & ~own), table.names(own & ~bits), matches, signature is not None)


def _better(candidate: _Candidate, best: _Candidate) -> bool:
    """Whether a candidate is to be preferred: right family and model first, then the closest."""
    if candidate.matches != best.matches:
        return candidate.matches
    return candidate.cost < best.cost
