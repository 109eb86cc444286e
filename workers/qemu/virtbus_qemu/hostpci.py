"""What the host tells of its PCI functions: which are conventional, and which share an IOMMU group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DEVICES = Path("/sys/bus/pci/devices")

_CONVENTIONAL_SIZE = 256
"""Bytes of a conventional function's configuration space; PCI Express has 4096."""


@dataclass(frozen=True)
class HostPci:
    """The host's PCI functions by address, such as 0000:01:00.0; None asks sysfs."""

    groups: Mapping[str, int] | None = None
    """The number of the IOMMU group."""
    conventional: frozenset[str] | None = None

    def is_conventional(self, address: Any) -> bool:
        """Whether a function is no PCI Express function. One that is not there is taken for the newer kind."""
        name = name_of(address)
        if self.conventional is not None:
            return name in self.conventional
        try:
            return (_DEVICES / name / "config").stat().st_size == _CONVENTIONAL_SIZE
        except OSError:
            return False

    def group(self, address: Any) -> int | None:
        """The IOMMU group of a function; None where it has none, or is not there."""
        name = name_of(address)
        if self.groups is not None:
            return self.groups.get(name)
        try:
            return int((_DEVICES / name / "iommu_group").readlink().name)
        except (OSError, ValueError):
            return None


def name_of(address: Any) -> str:
    """A function's name in sysfs."""
    return f"{address.domain or 0:04x}:{address.bus or 0:02x}:{address.slot or 0:02x}.{address.function or 0}"
