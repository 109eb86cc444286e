"""Whether a host's processor can run what a definition asks for."""

from __future__ import annotations

from enum import IntEnum

from virtbus.cpu.definition import CpuDefinition
from virtbus.cpu.table import CpuTable
from virtbus.domain.cpu import CpuFeaturePolicy, CpuMatch


class Comparison(IntEnum):
    """libvirt's virCPUCompareResult."""

    INCOMPATIBLE = 0
    IDENTICAL = 1
    SUPERSET = 2


def compare(table: CpuTable, host: CpuDefinition, wanted: CpuDefinition) -> Comparison:
    """How a host's processor relates to what is wanted.

    :raise ConfigUnsupported: a model or feature is unknown.
    """
    if wanted.arch and host.arch and wanted.arch != host.arch:
        return Comparison.INCOMPATIBLE
    if wanted.vendor and wanted.vendor != host.vendor:
        return Comparison.INCOMPATIBLE
    have = host.bits(table)
    forbidden = (table.feature(name) for name, policy in wanted.features.items() if policy is CpuFeaturePolicy.FORBID)
    if any(feature.bits & have for feature in forbidden):
        return Comparison.INCOMPATIBLE
    free = 0
    for policy in (CpuFeaturePolicy.FORCE, CpuFeaturePolicy.OPTIONAL, CpuFeaturePolicy.DISABLE):
        free |= wanted.under(table, policy)
    required = wanted.required(table) & ~free
    if required & ~have:
        return Comparison.INCOMPATIBLE
    if not have & ~(required | free):
        return Comparison.IDENTICAL
    if wanted.guest and wanted.match is CpuMatch.STRICT:
        return Comparison.INCOMPATIBLE
    return Comparison.SUPERSET
