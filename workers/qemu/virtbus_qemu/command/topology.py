"""-smp: how many processors there are, and how they are arranged."""

from __future__ import annotations

from virtbus.domain.domain import Domain
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.parts import Context


def topology(context: Context) -> list[str]:
    """-smp."""
    domain = context.domain
    most = domain.vcpu.count if domain.vcpu else 1
    current = _at_start(domain)
    # Where they run is not the command line's matter; what the worker cannot do about it is refused (provided).
    _ = domain.vcpu and domain.vcpu.placement
    head = f"{current},maxcpus={most}" if current != most else f"{most}"
    shape = domain.cpu.topology if domain.cpu else None
    if shape is None:
        return ["-smp", f"{head},sockets={most},cores=1,threads=1"]
    words = [head, f"sockets={shape.sockets}"]
    if context.has("smp-dies"):
        words.append(f"dies={shape.dies or 1}")
    elif (shape.dies or 1) != 1:
        raise _unsupported(context, "Only 1 die per socket is supported")
    if context.has("smp-clusters"):
        words.append(f"clusters={shape.clusters or 1}")
    elif (shape.clusters or 1) != 1:
        raise _unsupported(context, "Only 1 cluster per die is supported")
    return ["-smp", ",".join([*words, f"cores={shape.cores}", f"threads={shape.threads}"])]


def _at_start(domain: Domain) -> int:
    """How many processors are there before any is plugged in."""
    if domain.vcpus is not None:
        return sum(each.enabled and not each.hotpluggable for each in domain.vcpus.vcpus)
    return (domain.vcpu.current or domain.vcpu.count) if domain.vcpu else 1


def _unsupported(context: Context, message: str) -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=context.domain.name, evidence={"path": "/domain/cpu/topology"})
