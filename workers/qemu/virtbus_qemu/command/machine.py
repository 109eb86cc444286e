"""-machine and -accel: what the machine is, and what of it is switched on or off."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.clock import TimerName
from virtbus.domain.features import Features, IoapicDriver
from virtbus.domain.iommu import IommuModel
from virtbus.domain.memorydevice import MemoryModel
from virtbus.domain.sound import SoundModel
from virtbus_qemu.command import firmware, launch, memory, numa
from virtbus_qemu.command.accelerator import accelerator, offered
from virtbus_qemu.command.parts import Context, on_off
from virtbus_qemu.platform import Board

#: POWER's capabilities of a machine, in libvirt's order: the feature's name here and QEMU's.
_POWER = (
    ("htm", "cap-htm"),
    ("nested_hv", "cap-nested-hv"),
    ("ccf_assist", "cap-ccf-assist"),
    ("cfpc", "cap-cfpc"),
    ("sbbc", "cap-sbbc"),
    ("ibs", "cap-ibs"),
)


def machine(context: Context) -> list[str]:
    """-machine and -accel."""
    kind = context.domain.os.type if context.domain.os else None
    words = [kind.machine or "" if kind else "", "usb=off"]
    for part in (_switches, _keys, _features, _memory, _links):
        words += part(context)
    # The emulator was chosen by the architecture.
    _ = kind and (kind.arch, kind.name)
    return ["-machine", ",".join(words), "-accel", accelerator(context.domain)]


def smm_memory(context: Context) -> list[str]:
    """The memory that a q35 sets aside for system management mode."""
    smm = context.domain.features.smm if context.domain.features else None
    if smm is None or smm.tseg is None or smm.state is False or not context.has("mch.extended-tseg-mbytes"):
        return []
    return ["-global", f"mch.extended-tseg-mbytes={smm.tseg}"]


def _switches(context: Context) -> Iterator[str]:
    features = context.domain.features or Features()
    for name, state, known in (
        ("vmport", features.vmport, context.has("machine-vmport-opt")),
        ("smm", features.smm, True),
        ("i8042", features.ps2, context.has("machine-i8042-opt")),
    ):
        if state is not None and state.state is not None and known:
            yield f"{name}={on_off(state.state)}"
        elif state is not None and name in ("smm", "vmport") and known:
            yield f"{name}=on"


def _keys(context: Context) -> Iterator[str]:
    for cipher in context.domain.keywrap.ciphers if context.domain.keywrap else ():
        yield f"{cipher.name}-key-wrap={on_off(cipher.state)}"


def _features(context: Context) -> Iterator[str]:
    features = context.domain.features or Features()
    if features.ioapic is not None:
        yield "kernel_irqchip=" + {IoapicDriver.QEMU: "split", IoapicDriver.KVM: "on"}[features.ioapic]
    if features.gic is not None and features.gic.version is not None and context.platform.board is Board.ARM_VIRT:
        yield f"gic-version={features.gic.version}"
    if features.hpt is not None:
        if features.hpt.resizing is not None:
            yield f"resize-hpt={features.hpt.resizing}"
        if features.hpt.max_page_size:
            yield f"cap-hpt-max-page-size={features.hpt.max_page_size}k"
    for own, qemu in _POWER:
        value = getattr(features, own)
        if value is not None:
            yield f"{qemu}={value if isinstance(value, str) else on_off(value.state is not False)}"
    if features.ras is not None:
        yield f"ras={on_off(features.ras.state is not False)}"
    if features.aia is not None:
        yield f"aia={features.aia}"
    # A PC's processor has these or not by its model.
    _ = features.pae, features.hap, features.viridian, features.privnet
    iommu = context.domain.devices.iommu
    if iommu is not None and iommu.model is IommuModel.SMMUV3:
        yield "iommu=smmuv3"


def _memory(context: Context) -> Iterator[str]:
    domain = context.domain
    yield f"dump-guest-core={on_off(bool(domain.memory and domain.memory.dump_core))}"
    if domain.memory_backing and domain.memory_backing.nosharepages:
        yield "mem-merge=off"
    if any(each.model is MemoryModel.NVDIMM for each in domain.devices.memories):
        yield "nvdimm=on"
    if numa.has_attributes(domain):
        yield "hmat=on"
    main = memory.main_memory(context)
    if main is not None and not numa.cells(domain):
        yield f"memory-backend={main}"
    enclaves = [each for each in domain.devices.memories if each.model is MemoryModel.SGX_EPC]
    for number, each in enumerate(enclaves):
        yield f"sgx-epc.{number}.memdev=mem{each.alias}"
        if each.target.node is not None:
            yield f"sgx-epc.{number}.node={each.target.node}"


def _links(context: Context) -> Iterator[str]:
    domain = context.domain
    if domain.launch_security is not None:
        yield f"confidential-guest-support={launch.ID}"
    for sound in domain.devices.sounds:
        if sound.model is SoundModel.PCSPK:
            audio = sound.audio or next((each.id for each in domain.devices.audios), 1)
            yield f"pcspk-audiodev=audio{audio}"
    hpet = [each.present for each in (domain.clock.timers if domain.clock else ()) if each.name is TimerName.HPET]
    if hpet and hpet[0] is not None and context.has("machine-hpet"):
        yield f"hpet={on_off(hpet[0])}"
    yield from firmware.flash_words(domain)
    machine_type = offered(domain, context.capabilities)
    if machine_type is not None and machine_type.acpi:
        yield f"acpi={on_off(bool(domain.features and domain.features.acpi))}"
    yield from _load_parameter(context)
    if context.platform.board is Board.PSERIES and domain.cpu is not None and domain.cpu.mode is not None:
        compatible = domain.cpu.model.name if domain.cpu.model else None
        if domain.cpu.mode.value == "host-model" and compatible:
            yield f"max-cpu-compat={compatible}"


def no_acpi(context: Context) -> list[str]:
    """The switch of a QEMU that does not say which of its machines have ACPI."""
    machine_type = offered(context.domain, context.capabilities)
    unsaid = machine_type is None or machine_type.acpi is None
    has_it = context.platform.is_x86 or context.platform.board is Board.ARM_VIRT
    if unsaid and has_it and not (context.domain.features and context.domain.features.acpi):
        return ["-no-acpi"]
    return []


def _load_parameter(context: Context) -> Iterator[str]:
    """What an s390x firmware boots of the first device, where QEMU has no property of the device for it."""
    if not context.platform.is_s390 or context.has("virtio-ccw.loadparm"):
        return
    boots = [boot for each in context.domain.devices.every() if (boot := getattr(each, "boot", None)) is not None]
    for boot in sorted(boots, key=lambda boot: int(boot.order)):
        if boot.loadparm is not None:
            yield f"loadparm={boot.loadparm}"
            return
