"""What a processor shows of the hypervisor: Hyper-V's interfaces for Windows, KVM's for Linux, paravirtual timers."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.clock import TickPolicy, Timer, TimerName
from virtbus.domain.features import Features, Hyperv, HypervMode
from virtbus.domain.watchdog import PanicModel
from virtbus_qemu.command.parts import Context, on_off

#: How often a spinlock of a Hyper-V guest is tried where no number is said.
_SPINLOCK_TRIES = 4095

#: Hyper-V's interfaces in libvirt's order, and QEMU's names of them.
_HYPERV = {
    "relaxed": "hv-relaxed",
    "vapic": "hv-vapic",
    "spinlocks": "hv-spinlocks",
    "vpindex": "hv-vpindex",
    "runtime": "hv-runtime",
    "synic": "hv-synic",
    "stimer": "hv-stimer",
    "reset": "hv-reset",
    "vendor_id": "hv-vendor-id",
    "frequencies": "hv-frequencies",
    "reenlightenment": "hv-reenlightenment",
    "tlbflush": "hv-tlbflush",
    "ipi": "hv-ipi",
    "evmcs": "hv-evmcs",
    "avic": "hv-avic",
    "emsr_bitmap": "hv-emsr-bitmap",
    "xmm_input": "hv-xmm-input",
}

#: KVM's interfaces: QEMU's name, and the state of libvirt's in which it is told of.
_KVM = {
    "hidden": ("kvm", True, "off"),
    "hint_dedicated": ("kvm-hint-dedicated", True, "on"),
    "poll_control": ("kvm-poll-control", True, "on"),
    "pv_ipi": ("kvm-pv-ipi", False, "off"),
}


def words(context: Context) -> Iterator[str]:
    """Properties of the processor, in libvirt's order."""
    domain = context.domain
    features = domain.features or Features()
    for timer in domain.clock.timers if domain.clock else ():
        yield from _timer(timer)
    if features.apic is not None and features.apic.eoi is not None:
        yield f"kvm-pv-eoi={on_off(features.apic.eoi)}"
    if features.pvspinlock is not None:
        yield f"kvm-pv-unhalt={on_off(features.pvspinlock.state is not False)}"
    if features.hyperv is not None:
        yield from _hyperv(features.hyperv)
    if any(panic.model is PanicModel.HYPERV for panic in domain.devices.panics):
        yield "hv-crash"
    yield from _kvm(features)
    if features.pmu is not None:
        yield f"pmu={on_off(features.pmu.state is not False)}"


def _timer(timer: Timer) -> Iterator[str]:
    match timer.name:
        case TimerName.KVMCLOCK if timer.present is not None:
            yield f"kvmclock={on_off(timer.present)}"
        case TimerName.HYPERVCLOCK if timer.present:
            yield "hv-time=on"
        case TimerName.TSC if timer.frequency:
            yield f"tsc-frequency={timer.frequency}"
        case TimerName.ARMVTIMER if timer.tick_policy is not None:
            yield f"kvm-no-adjvtime={on_off(timer.tick_policy is TickPolicy.DISCARD)}"


def _hyperv(hyperv: Hyperv) -> Iterator[str]:
    if hyperv.mode is HypervMode.PASSTHROUGH:
        yield "hv-passthrough=on"
    for own, qemu in _HYPERV.items():
        said = getattr(hyperv, own)
        if said is None or not said.state:
            continue
        if own == "spinlocks":
            yield f"{qemu}=0x{said.retries or _SPINLOCK_TRIES:x}"
        elif own == "vendor_id":
            yield f"{qemu}={said.value}"
        else:
            yield f"{qemu}=on"
        if own in ("stimer", "tlbflush") and said.direct is not None and said.direct.state:
            yield f"{qemu}-direct=on"
        if own == "tlbflush" and said.extended is not None and said.extended.state:
            yield f"{qemu}-ext=on"


def _kvm(features: Features) -> Iterator[str]:
    for own, (name, when, value) in _KVM.items():
        said = getattr(features.kvm, own) if features.kvm else None
        if said is not None and said.state is when:
            yield f"{name}={value}"
