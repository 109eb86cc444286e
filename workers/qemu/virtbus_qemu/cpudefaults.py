"""What libvirt fills in of the virtual processor when a domain is defined."""

from __future__ import annotations

from virtbus.domain.cpu import (
    Cpu,
    CpuCheck,
    CpuFallback,
    CpuFeature,
    CpuFeaturePolicy,
    CpuMatch,
    CpuMode,
    CpuModel,
)
from virtbus.domain.domain import Domain, DomainType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.capabilities import ACCELERATORS, Capabilities
from virtbus_qemu.command.accelerator import offered
from virtbus_qemu.platform import S390, X86

#: The architectures whose processors libvirt knows.
_KNOWN = X86 | S390 | {"ppc64", "ppc64le", "aarch64", "armv7l", "armv6l", "riscv64", "loongarch64"}

#: Those of them on which the default of QEMU's machines holds with KVM too.
_SAME_WITH_KVM = X86 | S390 | {"ppc64", "ppc64le"}

_HOSTS_OWN = (CpuMode.HOST_PASSTHROUGH, CpuMode.MAXIMUM)

#: The feature of ARM's processors that its vector lengths (sve128, sve256, ...) belong to.
_SVE = "sve"


def fill(domain: Domain, capabilities: Capabilities) -> None:
    """Fill in the processor's mode, model, and how strictly it is compared.

    :raise ConfigUnsupported: its features contradict each other.
    """
    cpu = domain.cpu
    if cpu is not None and cpu.mode is None and (cpu.model is not None or cpu.match is not None):
        cpu.mode = CpuMode.CUSTOM
    if cpu is None or (cpu.mode in (None, CpuMode.CUSTOM) and cpu.model is None):
        _fill_default(domain, capabilities)
    cpu = domain.cpu
    if cpu is None or cpu.mode is None:
        return
    if cpu.mode is CpuMode.CUSTOM and cpu.model is not None:
        cpu.match = cpu.match or CpuMatch.EXACT
    if cpu.model is not None and cpu.model.name:
        cpu.model.fallback = cpu.model.fallback or CpuFallback.ALLOW
    if cpu.mode in _HOSTS_OWN and cpu.migratable is None and capabilities.has("cpu.migratable"):
        cpu.migratable = True
    for feature in cpu.features:
        feature.policy = feature.policy or CpuFeaturePolicy.REQUIRE
    _complete_vectors(domain, cpu)
    if cpu.check is None:
        compared = cpu.mode is CpuMode.HOST_MODEL or (cpu.mode is CpuMode.CUSTOM and domain.type is not DomainType.QEMU)
        cpu.check = CpuCheck.PARTIAL if compared else CpuCheck.NONE


def _fill_default(domain: Domain, capabilities: Capabilities) -> None:
    """The machine's own model. QEMU leaves out of it what the host lacks, so that it is not compared."""
    arch = domain.os.type.arch if domain.os else None
    if arch not in _KNOWN or (arch not in _SAME_WITH_KVM and domain.type is not DomainType.QEMU):
        return
    name = default_model(domain, capabilities)
    if name is None or (name == "host" and domain.type is not DomainType.KVM):
        return
    cpu = domain.cpu = domain.cpu or Cpu()
    if name == "host":
        cpu.mode = CpuMode.HOST_MODEL if arch in S390 else CpuMode.HOST_PASSTHROUGH
        return
    cpu.mode, cpu.match, cpu.check = CpuMode.CUSTOM, CpuMatch.EXACT, CpuCheck.NONE
    cpu.model = CpuModel(fallback=CpuFallback.FORBID, name=name)


def default_model(domain: Domain, capabilities: Capabilities) -> str | None:
    """The model that a machine has unless told otherwise, such as qemu64."""
    machine = offered(domain, capabilities)
    accelerator = capabilities.digest.accelerator(ACCELERATORS.get(domain.type, "tcg"))
    models = accelerator.cpus if accelerator is not None else capabilities.cpus
    if machine is None or machine.default_cpu is None:
        return None
    return next((cpu.name for cpu in models if cpu.typename == machine.default_cpu), None)


def _complete_vectors(domain: Domain, cpu: Cpu) -> None:
    """Vector lengths of ARM's SVE are nothing without SVE."""
    lengths = [each for each in cpu.features if each.name.startswith(_SVE) and each.name != _SVE]
    wanted = [each for each in lengths if each.name.removeprefix(_SVE).isdigit()]
    if not wanted:
        return
    feature = next((each for each in cpu.features if each.name == _SVE), None)
    if feature is None:
        cpu.features.append(CpuFeature(name=_SVE, policy=CpuFeaturePolicy.REQUIRE))
    elif feature.policy in (CpuFeaturePolicy.DISABLE, CpuFeaturePolicy.FORBID):
        raise ConfigUnsupported(
            "SVE disabled, but SVE vector lengths provided",
            domain=domain.name,
            evidence={"path": "/domain/cpu/feature"},
        )
    else:
        feature.policy = CpuFeaturePolicy.REQUIRE
