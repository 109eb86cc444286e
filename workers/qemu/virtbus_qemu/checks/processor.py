"""What the virtual processor may not be (libvirt: qemuValidateDomainDefCpu, qemuValidateDomainVCpuTopology)."""

from __future__ import annotations

import re

from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.cpu import CpuMode
from virtbus.domain.domain import DomainType
from virtbus.errors import CpuIncompatible
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.platform import PPC, Board

_HOSTS_OWN = (CpuMode.HOST_PASSTHROUGH, CpuMode.MAXIMUM)


def check_cache(scene: Scene) -> Problems:
    """Which caches are emulated, and which are the host's."""
    cache = scene.domain.cpu.cache if scene.domain.cpu is not None else None
    if cache is None:
        return
    path = "/domain/cpu/cache"
    if not scene.platform.is_x86:
        yield unsupported(f"CPU cache specification is not supported for '{scene.platform.arch}' architecture", path)
    elif cache.mode == "emulate":
        if cache.level != 3:
            yield unsupported(f"CPU cache mode '{cache.mode}' can only be used with level='3'", f"{path}/@level")
    elif cache.mode == "passthrough" and scene.domain.cpu is not None and scene.domain.cpu.mode not in _HOSTS_OWN:
        yield unsupported(
            f"CPU cache mode '{cache.mode}' can only be used with 'host-passthrough' / 'maximum' CPUs",
            f"{path}/@mode",
        )
    elif cache.level is not None:
        yield unsupported(f"unsupported CPU cache level for mode '{cache.mode}'", f"{path}/@level")


#: What Linux calls the features of ARM processors (its hwcaps), and QEMU's own switches, among them lengths of vectors.
_ARM_NAMES = (
    "26bit aarch64 aes afp asimd asimddp asimdfhm asimdhp asimdrdm atomics bf16 bti cpuid crc32 crunch dcpodp "
    "dcpop dgh dit ecv edsp evtstrm fastmult fcma flagm flagm2 fp fpa fphp frint half i8mm idiva idivt "
    "ilrcpc iwmmxt java jscvt lpae lrcpc mte mte3 neon paca pacg pauth pmu pmull rng rpres sb sha1 sha2 sha3 "
    "sha512 sm3 sm4 ssbs sve sve2 sveaes svebf16 svebitperm svef32mm svef64mm svei8mm svepmull svesha3 "
    "svesm4 swp thumb thumbee tls uscat vfp vfpd32 vfpv3 vfpv3d16 vfpv4 wfxt"
)
_ARM_FEATURES = frozenset(_ARM_NAMES.split()) | {f"sve{bits}" for bits in range(128, 2049, 128)}


def check_arm_features(scene: Scene) -> Problems:
    """A feature that no ARM processor has. To be asked when a command line is made, as libvirt does."""
    cpu = scene.domain.cpu
    for number, feature in enumerate(cpu.features if cpu is not None and scene.platform.is_arm else (), start=1):
        if feature.name not in _ARM_FEATURES:
            yield unsupported(f"unknown CPU feature: {feature.name}", f"/domain/cpu/feature[{number}]/@name")


def check_power_host(scene: Scene) -> Problems:
    """A POWER guest may see an older generation than the host's, never a newer one."""
    cpu, known = scene.domain.cpu, scene.capabilities.processors
    wanted = _generation(cpu.model.name if cpu is not None and cpu.model is not None else None)
    host = _generation(known.host.model if known is not None and known.host is not None else None)
    if cpu is None or cpu.mode is not CpuMode.HOST_MODEL or scene.platform.arch not in PPC:
        return
    if wanted is not None and host is not None and wanted > host:
        words = "the CPU is incompatible with host CPU"
        yield CpuIncompatible(words, evidence={"path": "/domain/cpu/model"})


def _generation(model: str | None) -> int | None:
    """Of a POWER processor."""
    match = re.fullmatch(r"power(\d+).*", (model or "").lower())
    return int(match[1]) if match else None


EXTENDED = 255
"""From one processor more, interrupts need an IOMMU in extended mode."""


def check_processors(scene: Scene) -> Problems:
    """How many processors the machine can have, and in which steps."""
    vcpu, machine = scene.domain.vcpu, scene.machine
    if vcpu is None:
        return
    step = _step(scene)
    if (vcpu.current or vcpu.count) % step:
        yield unsupported(
            f"vCPUs count must be a multiple of the vCPU hotplug granularity ({step})", "/domain/vcpu/@current"
        )
    if machine is not None and machine.max_cpus and vcpu.count > machine.max_cpus:
        yield unsupported(f"Maximum CPUs greater than specified machine type limit {machine.max_cpus}", "/domain/vcpu")
    topology = scene.domain.cpu.topology if scene.domain.cpu is not None else None
    if topology is not None and (topology.dies or 1) > 1 and not scene.has("smp-dies"):
        yield unsupported("Only 1 die per socket is supported", "/domain/cpu/topology/@dies")
    if topology is not None and (topology.clusters or 1) > 1 and not scene.has("smp-clusters"):
        yield unsupported("Only 1 cluster per die is supported", "/domain/cpu/topology/@clusters")
    if scene.platform.is_x86 and vcpu.count > EXTENDED:
        yield from _check_many(scene)


def _step(scene: Scene) -> int:
    """A POWER guest's threads of one core come together."""
    topology = scene.domain.cpu.topology if scene.domain.cpu is not None else None
    return topology.threads or 1 if topology is not None and scene.platform.board is Board.PSERIES else 1


def _check_many(scene: Scene) -> Problems:
    iommu = scene.domain.devices.iommu
    if scene.platform.board is not Board.Q35:
        yield unsupported(f"more than {EXTENDED} vCPUs are only supported on q35-based machines", "/domain/vcpu")
    elif iommu is None or iommu.driver is None or not iommu.driver.eim:
        yield unsupported(
            f"more than {EXTENDED} vCPUs require extended interrupt mode enabled on the iommu device",
            "/domain/devices/iommu/driver/@eim",
        )


def check_mode(scene: Scene) -> Problems:
    """What the accelerator can give. To be asked when a command line is made, as libvirt does."""
    cpu = scene.domain.cpu
    if cpu is None:
        return
    if cpu.deprecated_features is not None and not scene.has("query-cpu-model-expansion.deprecated-props"):
        yield unsupported(
            "toggling deprecated features for CPU model is unsupported", "/domain/cpu/@deprecated_features"
        )
    missing = (cpu.mode is CpuMode.HOST_PASSTHROUGH and scene.domain.type is DomainType.QEMU) or (
        cpu.mode is CpuMode.MAXIMUM and not scene.has("cpu-max")
    )
    if missing:
        yield unsupported(
            f"CPU mode '{cpu.mode}' for {scene.platform.arch} {scene.domain.type} domain on "
            f"{scene.capabilities.arch} host is not supported by hypervisor",
            "/domain/cpu/@mode",
            "use mode='custom', or type='kvm'",
        )
