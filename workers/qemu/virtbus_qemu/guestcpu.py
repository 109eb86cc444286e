"""The processor that a guest truly starts with: the host's model by name, optional features settled.

    cpu = settled(domain, capabilities)

libvirt does so at each start; the live definition shows what came out, and the command line says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtbus.cpu import CpuDefinition, adjust, decode, translate
from virtbus.cpu.update import merge
from virtbus.domain.cpu import Cpu, CpuFallback, CpuFeature, CpuFeaturePolicy, CpuMatch, CpuMode, CpuModel
from virtbus.domain.domain import Domain, DomainType
from virtbus.errors import ConfigUnsupported, CpuIncompatible
from virtbus_qemu.capabilities import ACCELERATORS, Capabilities, Processors
from virtbus_qemu.platform import S390, X86
from virtbus_qemu.probing.digest import Accelerator, CpuProperty
from virtbus_qemu.probing.hostmodel import cpu_data

_HOSTS_OWN = (CpuMode.HOST_PASSTHROUGH, CpuMode.MAXIMUM)


def settled(domain: Domain, capabilities: Capabilities) -> Cpu | None:
    """What a domain's <cpu> becomes when it is started; one that has become so stays as it is.

    :raise ConfigUnsupported: QEMU or the host cannot do it.
    """
    cpu = domain.cpu
    if cpu is None or cpu.mode in (None, *_HOSTS_OWN) or (cpu.mode is CpuMode.CUSTOM and cpu.model is None):
        return cpu
    arch = (domain.os.type.arch if domain.os else None) or capabilities.arch
    accelerator = capabilities.digest.accelerator(ACCELERATORS.get(domain.type, "tcg"))
    if accelerator is None:
        return cpu
    if arch in S390:
        result = _s390(cpu, accelerator)
    elif arch in X86 and capabilities.processors is not None:
        result = _pc(cpu, accelerator, capabilities.processors)
    elif arch in X86 and cpu.mode is CpuMode.HOST_MODEL:
        return _whole_host(cpu, domain)
    else:
        _check_generation(domain, cpu, capabilities)
        result = cpu.copy()
    if result.model is not None:
        if accelerator.cpus and arch in X86 and result.model.name not in {each.name for each in accelerator.cpus}:
            raise ConfigUnsupported(
                f"CPU model {result.model.name} is not supported by hypervisor",
                domain=domain.name,
                hint="virtbus capabilities lists the models that QEMU has",
                evidence={"path": "/domain/cpu/model"},
            )
        result.model.fallback = CpuFallback.FORBID if result.mode is CpuMode.CUSTOM else result.model.fallback
    return result


def _check_generation(domain: Domain, cpu: Cpu, capabilities: Capabilities) -> None:
    """A POWER host can be taken for an older one, not for a newer.

    :raise CpuIncompatible: it is asked to.
    """
    host = capabilities.processors.host if capabilities.processors else None
    wanted = _generation(cpu.model.name if cpu.model else None)
    has = _generation(host.model if host else None)
    if cpu.mode is CpuMode.HOST_MODEL and wanted is not None and has is not None and wanted > has:
        raise CpuIncompatible(
            "the CPU is incompatible with host CPU", domain=domain.name, evidence={"path": "/domain/cpu/model"}
        )


def _generation(name: str | None) -> int | None:
    """Such as 9 of power9 or POWER9."""
    number = (name or "").lower().removeprefix("power")
    return int(number) if number.isdecimal() else None


def _whole_host(cpu: Cpu, domain: Domain) -> Cpu:
    """Where no table of processors gives the host's a name: all of it that can migrate, or all that QEMU imitates."""
    result = cpu.copy()
    result.mode = CpuMode.HOST_PASSTHROUGH if domain.type is DomainType.KVM else CpuMode.MAXIMUM
    result.migratable, result.model = True, None
    return result


def _pc(cpu: Cpu, accelerator: Accelerator, known: Processors) -> Cpu:
    models = _models(accelerator, known)
    host = named_host(accelerator, known)
    if host is None and cpu.mode is CpuMode.HOST_MODEL:
        raise ConfigUnsupported("CPU mode 'host-model' is not supported by hypervisor")
    result = cpu if host is None else adjust(known.table, cpu, host, bound=known.host is None)
    result = translate(known.table, result, models).copy()
    model = known.table.models.get(result.model.name or "") if result.model else None
    named = {each.name for each in result.features}
    # Older versions of the model have them, and which version a plain name means differs between hosts.
    gone = [name for name in sorted(model.removed) if name not in named] if model is not None else []
    merge(result, [CpuFeature(name=name, policy=CpuFeaturePolicy.DISABLE) for name in gone])
    return result


def _models(accelerator: Accelerator, known: Processors) -> Mapping[str, Sequence[str]]:
    """The models that QEMU has, each with what keeps it from running here, in libvirt's names."""
    aliases = known.table.aliases
    return {
        cpu.name: sorted({aliases.get(blocker.name, blocker.name) for blocker in cpu.blockers})
        for cpu in accelerator.cpus
    }


def named_host(accelerator: Accelerator, known: Processors, *, bound: bool = False) -> CpuDefinition | None:
    """The named model that comes nearest to what the accelerator can give; None where it does not say.

    :param bound: with the features that keep a guest on its host.
    """
    if known.host is not None or accelerator.host is None:
        return known.host
    models = _models(accelerator, known)
    values = {
        each.name: value_of(each) for each in accelerator.host.properties if bound or each.migratable is not False
    }
    return CpuDefinition.of_guest(decode(known.table, cpu_data(known.table, values), models=models).guest())


def value_of(given: CpuProperty) -> bool | int | str | None:
    """What a property of the host's processor says."""
    text = given.value
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text and text.isdecimal() else text


def _s390(cpu: Cpu, accelerator: Accelerator) -> Cpu:
    """The host's model with all its features by name; deprecated ones as the domain says."""
    result, host = cpu.copy(), accelerator.host
    if cpu.mode is CpuMode.HOST_MODEL and host is not None:
        policies = {"true": CpuFeaturePolicy.REQUIRE, "false": CpuFeaturePolicy.DISABLE}
        asked = result.features
        result.mode, result.match = CpuMode.CUSTOM, CpuMatch.EXACT
        result.model = CpuModel(name=host.model, fallback=CpuFallback.FORBID)
        result.features = [
            CpuFeature(name=each.name, policy=policies[each.value or ""])
            for each in host.properties
            if each.value in policies
        ]
        merge(result, asked)
    if cpu.deprecated_features is not None and host is not None and host.deprecated is not None:
        policy = CpuFeaturePolicy.REQUIRE if cpu.deprecated_features else CpuFeaturePolicy.DISABLE
        merge(result, [CpuFeature(name=each.name, policy=policy) for each in host.deprecated.properties])
    return result
