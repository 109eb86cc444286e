"""-accel: what executes the guest, and what QEMU offers with it."""

from __future__ import annotations

from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.features import Features
from virtbus_qemu.capabilities import ACCELERATORS, Capabilities
from virtbus_qemu.probing.digest import MachineType


def offered(domain: Domain, capabilities: Capabilities) -> MachineType | None:
    """What QEMU says of the domain's machine type under its accelerator."""
    name = domain.os.type.machine if domain.os else None
    accelerator = capabilities.digest.accelerator(ACCELERATORS.get(domain.type, "tcg"))
    machines = accelerator.machines if accelerator is not None else capabilities.machines
    return next((each for each in machines if name in (each.name, each.alias)), None)


def accelerator(domain: Domain) -> str:
    """The accelerator and its settings."""
    features = domain.features or Features()
    words = [ACCELERATORS.get(domain.type, "tcg")]
    if domain.type is DomainType.KVM:
        ring = features.kvm.dirty_ring if features.kvm else None
        words += [f"dirty-ring-size={ring.size}"] if ring is not None and ring.state and ring.size else []
    elif domain.type is DomainType.QEMU and features.tcg and features.tcg.tb_cache:
        words.append(f"tb-size={features.tcg.tb_cache // 1024}")
    return ",".join(words)
