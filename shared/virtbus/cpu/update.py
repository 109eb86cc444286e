"""A guest's processor made exact: optional features settled, models translated, and what a running guest truly got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtbus.cpu.decode import decode, lost
from virtbus.cpu.definition import CpuDefinition
from virtbus.cpu.registers import Signature
from virtbus.cpu.table import CpuData, CpuTable
from virtbus.domain.cpu import Cpu, CpuFallback, CpuFeature, CpuFeaturePolicy, CpuMatch, CpuMode, CpuModel
from virtbus.errors import ConfigUnsupported


def adjust(table: CpuTable, cpu: Cpu, host: CpuDefinition, *, bound: bool = False) -> Cpu:
    """What a guest asks for, settled by what the host has: host-model becomes a model, optional becomes yes or no.

    :param bound: whether host-model may name features that the table says bind a guest to its host; for a host whose
        hypervisor has left those out itself.
    :raise ConfigUnsupported: a model or feature is unknown.
    """
    have = host.bits(table)
    result = cpu.copy()
    if cpu.mode is CpuMode.HOST_MODEL:
        return _host_model(table, result, host, bound)
    if cpu.match is CpuMatch.MINIMUM:
        wanted = {feature.name: feature for feature in cpu.features}
        result = _host_model(table, result, host, bound)
        merge(result, [feature for feature in wanted.values() if feature.policy is not CpuFeaturePolicy.REQUIRE])
    for feature in result.features:
        if feature.policy is CpuFeaturePolicy.OPTIONAL:
            bits = table.feature(feature.name).bits
            feature.policy = CpuFeaturePolicy.REQUIRE if bits & have == bits else CpuFeaturePolicy.DISABLE
    return result


def _host_model(table: CpuTable, cpu: Cpu, host: CpuDefinition, bound: bool) -> Cpu:
    asked = cpu.features
    cpu.mode, cpu.match = CpuMode.CUSTOM, CpuMatch.EXACT
    cpu.model = CpuModel(name=host.model, fallback=cpu.model.fallback if cpu.model else None)
    cpu.vendor = host.vendor
    cpu.features = [
        CpuFeature(name=name, policy=policy)
        for name, policy in host.features.items()
        if bound or table.feature(name).migratable
    ]
    merge(cpu, asked)
    return cpu


def merge(cpu: Cpu, features: Sequence[CpuFeature]) -> None:
    """Set the policies of features, in place; the last word counts."""
    known = {feature.name: feature for feature in cpu.features}
    for feature in features:
        if feature.name in known:
            known[feature.name].policy = feature.policy
        else:
            cpu.features.append(feature.copy())


def translate(table: CpuTable, cpu: Cpu, models: Mapping[str, Sequence[str]] | None) -> Cpu:
    """A guest's processor in terms of models that the hypervisor knows.

    :raise ConfigUnsupported: its model is not known there, and it forbids another.
    """
    name = cpu.model.name if cpu.model else None
    if cpu.mode not in (None, CpuMode.CUSTOM) or name is None or models is None or name in models:
        return cpu
    if cpu.model is not None and cpu.model.fallback is CpuFallback.FORBID:
        raise ConfigUnsupported(f"CPU model {name} is not supported by hypervisor")
    model = table.model(name)
    first = next(iter(model.signatures), None)
    signature = Signature(first.family, first.model, min(first.steppings, default=0)).pack() if first else None
    data = CpuData(CpuDefinition.of_guest(cpu).bits(table), model.vendor, signature)
    found = decode(table, data, models=models)
    result = cpu.copy()
    result.model = CpuModel(name=found.model, fallback=CpuFallback.ALLOW)
    result.features = found.guest().features
    merge(result, cpu.features)
    return result


def observe(table: CpuTable, cpu: Cpu, enabled: int, disabled: int) -> Cpu:
    """A guest's processor with the features that its hypervisor truly switched on and off.

    What the model implies goes without saying, so only differences from it are named.
    """
    wanted = CpuDefinition.of_guest(cpu)
    actual = enabled & ~disabled
    required, missing = table.names(actual), list[str]()
    if wanted.model:
        model = table.model(wanted.model)
        required = table.names(actual & ~model.bits)
        missing = table.names(model.bits & ~actual) + lost(table, model, actual)
    result = cpu.copy()
    result.features = [CpuFeature(name=name, policy=CpuFeaturePolicy.REQUIRE) for name in required]
    result.features += [CpuFeature(name=name, policy=CpuFeaturePolicy.DISABLE) for name in missing]
    return result


def complete_cpu(cpu: Cpu) -> Cpu:
    """A guest's processor with what goes without saying said, as libvirt fills it in."""
    result = cpu.copy()
    if result.mode is None and (result.model or result.match):
        result.mode = CpuMode.CUSTOM
    if result.mode is CpuMode.CUSTOM:
        result.match = result.match or CpuMatch.EXACT
        if result.model is not None:
            result.model.fallback = result.model.fallback or CpuFallback.ALLOW
    if result.topology is not None:
        result.topology.dies = result.topology.dies or 1
        result.topology.clusters = result.topology.clusters or 1
    for feature in result.features:
        feature.policy = feature.policy or CpuFeaturePolicy.REQUIRE
    return result


def expand(table: CpuTable, cpu: Cpu) -> Cpu:
    """A guest's processor with every feature of its model by name, those of the model first.

    :raise ConfigUnsupported: a model or feature is unknown.
    """
    definition = CpuDefinition.of_guest(cpu)
    result = cpu.copy()
    named = set(definition.features)
    implied = table.model(definition.model).bits if definition.model else 0
    names = [name for name in table.names(implied) if name not in named]
    result.features = [CpuFeature(name=name, policy=CpuFeaturePolicy.REQUIRE) for name in sorted(names)]
    result.features += [feature.copy() for feature in cpu.features]
    return result
