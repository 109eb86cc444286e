"""The richest processor that several hosts can all provide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtbus.cpu.decode import decode
from virtbus.cpu.definition import CpuDefinition
from virtbus.cpu.table import CpuData, CpuTable
from virtbus.domain.cpu import Cpu, CpuFallback
from virtbus.errors import ConfigUnsupported


def baseline(
    table: CpuTable,
    cpus: Sequence[CpuDefinition],
    *,
    models: Mapping[str, Sequence[str]] | None = None,
    migratable: bool = False,
) -> Cpu:
    """What all processors have in common, as a guest's.

    :param models: the models to choose from, as in `decode`.
    :raise ConfigUnsupported: they have nothing in common, or come from different vendors.
    """
    if not cpus:
        raise ConfigUnsupported("No CPUs given")
    bits = -1
    vendor: str | None = None
    for cpu in cpus:
        bits &= cpu.bits(table)
        vendor = _common_vendor(table, cpu, vendor)
    if not bits:
        raise ConfigUnsupported("CPUs are incompatible")
    names = {cpu.model for cpu in cpus}
    preferred = names.pop() if len(names) == 1 else None
    found = decode(table, CpuData(bits, vendor), models=models, preferred=preferred, migratable=migratable)
    if not all(cpu.vendor for cpu in cpus):
        found.vendor = None
    return found.guest(CpuFallback.FORBID if found.model == preferred else CpuFallback.ALLOW)


def _common_vendor(table: CpuTable, cpu: CpuDefinition, vendor: str | None) -> str | None:
    """The vendor so far; where a definition names none, that of its model counts from the second one on."""
    own = table.model(cpu.model).vendor if cpu.model else None
    if cpu.vendor and cpu.vendor not in table.vendors:
        raise ConfigUnsupported(f"Unknown CPU vendor {cpu.vendor}")
    if cpu.vendor and own and cpu.vendor != own:
        raise ConfigUnsupported(f"CPU vendor {own} of model {cpu.model} differs from vendor {cpu.vendor}")
    seen = cpu.vendor or (own if vendor is not None else None)
    if seen and vendor and seen != vendor:
        raise ConfigUnsupported("CPU vendors do not match")
    return vendor or seen
