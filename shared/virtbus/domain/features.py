"""What the virtual machine offers its guest besides devices."""

from __future__ import annotations

from enum import StrEnum

from virtbus.errors import ConfigUnsupported
from virtbus.xml import Element, OnOff, Refusal, UInt, attribute, child, flag


class Apic(Element, tag="apic", empty=True):
    """The interrupt controller of x86."""

    eoi: OnOff | None = attribute()


class Hap(Element, tag="hap", empty=True):
    """Paging by the processor itself."""

    state: OnOff | None = attribute()


class State(Element, empty=True):
    """A feature that is on or off."""

    state: OnOff | None = attribute()


class Spinlocks(Element, tag="spinlocks"):
    """After how many tries a spinlock is given up."""

    state: OnOff = attribute()
    retries: UInt | None = attribute()


class VendorId(Element, tag="vendor_id"):
    """The hypervisor's name that Windows sees, of at most 12 characters."""

    state: OnOff = attribute()
    value: str | None = attribute()


class SyntheticTimer(Element, tag="stimer"):
    """Hyper-V's timers."""

    state: OnOff = attribute()
    direct: State | None = child()


class TlbFlush(Element, tag="tlbflush"):
    """Hyper-V's flushing of address caches."""

    state: OnOff = attribute()
    direct: State | None = child()
    extended: State | None = child()


class HypervMode(StrEnum):
    """Whether the features are listed, or all that the host has."""

    CUSTOM = "custom"
    PASSTHROUGH = "passthrough"
    HOST_MODEL = "host-model"


class Hyperv(Element, tag="hyperv"):
    """What Windows guests like."""

    mode: HypervMode | None = attribute()
    relaxed: State | None = child()
    vapic: State | None = child()
    spinlocks: Spinlocks | None = child()
    vpindex: State | None = child()
    runtime: State | None = child()
    synic: State | None = child()
    stimer: SyntheticTimer | None = child()
    reset: State | None = child()
    vendor_id: VendorId | None = child()
    frequencies: State | None = child()
    reenlightenment: State | None = child()
    tlbflush: TlbFlush | None = child()
    ipi: State | None = child()
    evmcs: State | None = child()
    avic: State | None = child()
    emsr_bitmap: State | None = child()
    xmm_input: State | None = child()


class DirtyRing(Element, tag="dirty-ring"):
    """How the kernel notes written pages, and for how many."""

    state: OnOff = attribute()
    size: UInt | None = attribute()


class Kvm(Element, tag="kvm"):
    """What KVM shows of itself."""

    hidden: State | None = child()
    hint_dedicated: State | None = child("hint-dedicated")
    poll_control: State | None = child("poll-control")
    pv_ipi: State | None = child("pv-ipi")
    dirty_ring: DirtyRing | None = child()


class XenPassthrough(Element, tag="passthrough"):
    """How Xen translates addresses of passed-through devices."""

    state: OnOff = attribute()
    mode: str | None = attribute()


class XenFeatures(Element, tag="xen"):
    """What Xen offers."""

    e820_host: State | None = child()
    passthrough: XenPassthrough | None = child()


class Gic(Element, tag="gic", empty=True):
    """The interrupt controller of Arm."""

    version: str | None = attribute()


_UNEVEN_TSEG = Refusal(ConfigUnsupported, "SMM TSEG size must be divisible by 1 MiB")


class Smm(Element, tag="smm", empty=True):
    """System management mode, which secure boot needs; `tseg` is its memory in MiB."""

    state: OnOff | None = attribute()
    tseg: int | None = child(unit="MiB", exact=_UNEVEN_TSEG)


class IoapicDriver(StrEnum):
    """Who emulates the I/O APIC."""

    QEMU = "qemu"
    KVM = "kvm"


class Hpt(Element, tag="hpt"):
    """A POWER guest's page table."""

    resizing: str | None = attribute()
    max_page_size: int | None = child("maxpagesize", unit="KiB")


class Tcg(Element, tag="tcg"):
    """QEMU's own translation of code; the cache is in KiB."""

    tb_cache: int | None = child("tb-cache", unit="KiB")


class UnknownMsr(StrEnum):
    """What happens when the guest touches a register that nobody knows."""

    IGNORE = "ignore"
    FAULT = "fault"


class AsyncTeardown(Element, tag="async-teardown", empty=True):
    """Whether memory is freed after the domain is gone."""

    enabled: bool | None = attribute()


class Capability(Element):
    """A capability that a container has or lacks."""

    state: OnOff | None = attribute()


class ContainerCapabilities(Element, tag="capabilities", empty=True):
    """What a container may do."""

    policy: str | None = attribute()
    audit_control: Capability | None = child()
    audit_write: Capability | None = child()
    block_suspend: Capability | None = child()
    chown: Capability | None = child()
    dac_override: Capability | None = child()
    dac_read_search: Capability | None = child()
    fowner: Capability | None = child()
    fsetid: Capability | None = child()
    ipc_lock: Capability | None = child()
    ipc_owner: Capability | None = child()
    kill: Capability | None = child()
    lease: Capability | None = child()
    linux_immutable: Capability | None = child()
    mac_admin: Capability | None = child()
    mac_override: Capability | None = child()
    mknod: Capability | None = child()
    net_admin: Capability | None = child()
    net_bind_service: Capability | None = child()
    net_broadcast: Capability | None = child()
    net_raw: Capability | None = child()
    setgid: Capability | None = child()
    setfcap: Capability | None = child()
    setpcap: Capability | None = child()
    setuid: Capability | None = child()
    sys_admin: Capability | None = child()
    sys_boot: Capability | None = child()
    sys_chroot: Capability | None = child()
    sys_module: Capability | None = child()
    sys_nice: Capability | None = child()
    sys_pacct: Capability | None = child()
    sys_ptrace: Capability | None = child()
    sys_rawio: Capability | None = child()
    sys_resource: Capability | None = child()
    sys_time: Capability | None = child()
    sys_tty_config: Capability | None = child()
    syslog: Capability | None = child()
    wake_alarm: Capability | None = child()


class Features(Element, tag="features"):
    """What the virtual machine offers its guest."""

    acpi: bool = flag()
    apic: Apic | None = child()
    pae: bool = flag()
    hap: Hap | None = child()
    viridian: bool = flag()
    privnet: bool = flag()
    hyperv: Hyperv | None = child()
    kvm: Kvm | None = child()
    pvspinlock: State | None = child()
    capabilities: ContainerCapabilities | None = child()
    pmu: State | None = child()
    vmport: State | None = child()
    gic: Gic | None = child()
    smm: Smm | None = child()
    ioapic: IoapicDriver | None = child(attribute="driver")
    hpt: Hpt | None = child()
    vmcoreinfo: State | None = child()
    htm: State | None = child()
    nested_hv: State | None = child("nested-hv")
    msrs: UnknownMsr | None = child(attribute="unknown")
    ccf_assist: State | None = child("ccf-assist")
    xen: XenFeatures | None = child()
    cfpc: str | None = child(attribute="value")
    sbbc: str | None = child(attribute="value")
    ibs: str | None = child(attribute="value")
    tcg: Tcg | None = child()
    async_teardown: AsyncTeardown | None = child()
    ras: State | None = child()
    ps2: State | None = child()
    aia: str | None = child(attribute="value")
