"""-cpu: the virtual processor's model, and what is added to it or taken away."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.cpu import Cpu, CpuFeature, CpuFeaturePolicy, CpuMode
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import enlightenment
from virtbus_qemu.command.parts import Context, on_off
from virtbus_qemu.guestcpu import settled
from virtbus_qemu.ledger import read_through
from virtbus_qemu.platform import Board

#: x86's features that QEMU spells otherwise than with dashes for underscores.
_NAMES = {
    "cmp_legacy": "cmp-legacy",
    "ds_cpl": "ds-cpl",
    "fxsr_opt": "fxsr-opt",
    "kvm_pv_eoi": "kvm-pv-eoi",
    "kvm_pv_unhalt": "kvm-pv-unhalt",
    "lahf_lm": "lahf-lm",
    "nodeid_msr": "nodeid-msr",
    "pclmuldq": "pclmulqdq",
    "perfctr_core": "perfctr-core",
    "perfctr_nb": "perfctr-nb",
    "tsc_adjust": "tsc-adjust",
}

_POLICIES = {
    None: "on",
    CpuFeaturePolicy.FORCE: "on",
    CpuFeaturePolicy.REQUIRE: "on",
    CpuFeaturePolicy.DISABLE: "off",
    CpuFeaturePolicy.FORBID: "off",
}

#: Features that no virtual processor has, or that QEMU no longer knows.
_UNKNOWN = frozenset({"cmt", "mbm_total", "mbm_local", "osxsave", "ospke", "pconfig"})


def processor(context: Context) -> list[str]:
    """-cpu."""
    asked = context.domain.cpu or Cpu()
    cpu = settled(context.domain, context.capabilities) or Cpu()
    # These were decided on above: how strictly the model is compared, and what it becomes here.
    _ = asked.match, asked.check, asked.vendor, asked.deprecated_features
    for each in (asked.model, asked.features):
        read_through(each)
    words = [*_features(context, cpu), *enlightenment.words(context), *_cache(cpu), *_address(cpu)]
    model = [*_model(context, cpu)]
    if not model and not words:
        return []
    usual = "qemu32" if context.platform.arch == "i686" else "qemu64"
    return ["-cpu", ",".join([*(model or [usual]), *words])]


def _model(context: Context, cpu: Cpu) -> Iterator[str]:
    match cpu.mode:
        case CpuMode.HOST_PASSTHROUGH | CpuMode.MAXIMUM:
            yield "max" if cpu.mode is CpuMode.MAXIMUM else "host"
            if context.platform.arch == "armv7l" and context.capabilities.arch == "aarch64":
                yield "aarch64=off"
            if cpu.migratable is not None and context.has("cpu.migratable"):
                yield f"migratable={on_off(cpu.migratable)}"
        case CpuMode.HOST_MODEL if context.platform.board is Board.PSERIES:
            yield "host"
        case CpuMode.HOST_MODEL:
            raise ConfigUnsupported(
                f"unexpected host-model CPU for {context.platform.arch} architecture",
                domain=context.domain.name,
                evidence={"path": "/domain/cpu/@mode"},
            )
        case _:
            if cpu.model is not None and cpu.model.name:
                yield cpu.model.name
    if context.platform.is_x86 and cpu.model and cpu.model.vendor_id:
        yield f"vendor={cpu.model.vendor_id}"


def _features(context: Context, cpu: Cpu) -> Iterator[str]:
    for feature in cpu.features:
        state = _POLICIES.get(feature.policy)
        if state is not None and not (context.platform.is_x86 and feature.name in _UNKNOWN):
            yield f"{_name(context, feature)}={state}"


def _name(context: Context, feature: CpuFeature) -> str:
    if not context.platform.is_x86:
        return feature.name
    return _NAMES.get(feature.name, feature.name).replace("_", "-")


def _cache(cpu: Cpu) -> Iterator[str]:
    match cpu.cache.mode if cpu.cache else None:
        case "emulate":
            yield "l3-cache=on"
            if cpu.mode in (CpuMode.HOST_PASSTHROUGH, CpuMode.MAXIMUM):
                yield "host-cache-info=off"
        case "passthrough":
            yield "host-cache-info=on"
            yield "l3-cache=off"
        case "disable":
            yield "l3-cache=off"
            if cpu.mode in (CpuMode.HOST_PASSTHROUGH, CpuMode.MAXIMUM):
                yield "host-cache-info=off"
    # A level says for whom the mode is allowed, not more.
    _ = cpu.cache and cpu.cache.level


def _address(cpu: Cpu) -> Iterator[str]:
    width = cpu.maxphysaddr
    if width is None:
        return
    if width.mode == "passthrough":
        yield "host-phys-bits=on"
        if width.limit:
            yield f"host-phys-bits-limit={width.limit}"
    elif width.bits:
        yield f"phys-bits={width.bits}"
