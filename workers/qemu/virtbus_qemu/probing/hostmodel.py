"""QEMU's answers about its processor models, in terms of the table of processors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virtbus.cpu import CpuData, CpuTable
from virtbus.cpu.registers import Signature


def cpu_data(table: CpuTable, properties: Mapping[str, Any]) -> CpuData:
    """The processor that a model's properties describe (QEMU: query-cpu-model-expansion).

    Properties that are no features known to the table are left out.
    """
    bits = 0
    for name, value in properties.items():
        feature = table.features.get(table.aliases.get(name, name))
        if value is True and feature is not None:
            bits |= feature.bits
    numbers = [properties[key] for key in ("family", "model", "stepping") if key in properties]
    signature = Signature(*numbers).pack() if len(numbers) == 3 else None
    return CpuData(bits, table.vendor_of(properties.get("vendor")), signature)
