"""The two families of x86 machine types: what they have built in, and where it sits."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.domain import Domain
from virtbus.errors import ConfigUnsupported


class Chipset(StrEnum):
    """Which chipset a machine type imitates."""

    Q35 = "q35"
    I440FX = "i440fx"

    @property
    def express(self) -> bool:
        """Whether its root bus is PCI Express."""
        return self is Chipset.Q35

    @property
    def root_bus(self) -> str:
        """QEMU's name of the root bus, which is its controller's alias too."""
        return "pcie.0" if self.express else "pci.0"


def chipset_of(domain: Domain) -> Chipset:
    """The chipset of a domain whose machine type is known.

    :raise ConfigUnsupported: it is neither q35 nor pc.
    """
    machine = domain.os.type.machine if domain.os else None
    for chipset, beginnings in _MACHINES.items():
        if machine and machine.startswith(beginnings):
            return chipset
    raise ConfigUnsupported(
        f"machine type {machine} is not supported",
        domain=domain.name,
        hint="q35 and pc are",
        evidence={"path": "/domain/os/type/@machine"},
    )


_MACHINES = {Chipset.Q35: ("q35", "pc-q35-"), Chipset.I440FX: ("pc-i440fx-", "pc")}
