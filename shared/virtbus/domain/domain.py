"""The domain: libvirt's XML of a virtual machine or container as a model."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from virtbus.domain.boot import Os
from virtbus.domain.clock import Clock
from virtbus.domain.controller import Controller, ControllerType, PciModel, UsbModel
from virtbus.domain.cpu import Cpu
from virtbus.domain.devices import Devices
from virtbus.domain.features import Features
from virtbus.domain.labels import read_labels, write_labels
from virtbus.domain.lxc import LxcNamespace
from virtbus.domain.memory import CurrentMemory, MaxMemory, Memory, MemoryBacking
from virtbus.domain.power import LifecycleAction, LockFailureAction, PerfEvent, PowerManagement
from virtbus.domain.qemu import QemuCapabilities, QemuCommandline, QemuDeprecation, QemuOverride
from virtbus.domain.security import KeyWrap, LaunchSecurity, SecurityLabel
from virtbus.domain.sysinfo import Sysinfo
from virtbus.domain.tuning import (
    BlkioTune,
    CpuTune,
    DefaultIothread,
    IdMap,
    IothreadIds,
    MemTune,
    NumaTune,
    Resource,
    ThrottleGroups,
    Vcpu,
    Vcpus,
)
from virtbus.xml import Element, Form, Mode, UInt, attribute, child, children, namespace, verbatim

namespace("vmware", "http://libvirt.org/schemas/domain/vmware/1.0")


class DomainType(StrEnum):
    """Which hypervisor runs the domain."""

    QEMU = "qemu"
    KQEMU = "kqemu"
    KVM = "kvm"
    XEN = "xen"
    LXC = "lxc"
    UML = "uml"
    OPENVZ = "openvz"
    TEST = "test"
    VMWARE = "vmware"
    HYPERV = "hyperv"
    VBOX = "vbox"
    PHYP = "phyp"
    PARALLELS = "parallels"
    BHYVE = "bhyve"
    VZ = "vz"
    HVF = "hvf"
    XENPVH = "xenpvh"


class Perf(Element, tag="perf"):
    """Which of the kernel's counters are kept for the domain."""

    events: list[PerfEvent] = children()


class Domain(Element, tag="domain"):
    """A virtual machine or container."""

    type: DomainType = attribute()
    id: UInt | None = attribute(live=True)
    name: str = child()
    uuid: UUID | None = child()
    genid: str | None = child()
    hwuuid: UUID | None = child()
    title: str | None = child()
    description: str | None = child()
    metadata: list[str] = verbatim()
    max_memory: MaxMemory | None = child()
    memory: Memory | None = child()
    current_memory: CurrentMemory | None = child()
    blkiotune: BlkioTune | None = child()
    memtune: MemTune | None = child()
    memory_backing: MemoryBacking | None = child()
    vcpu: Vcpu | None = child()
    vcpus: Vcpus | None = child()
    iothreads: UInt | None = child()
    iothread_ids: IothreadIds | None = child()
    default_iothread: DefaultIothread | None = child()
    throttle_groups: ThrottleGroups | None = child()
    cputune: CpuTune | None = child()
    numatune: NumaTune | None = child()
    resource: Resource | None = child()
    sysinfo: list[Sysinfo] = children()
    bootloader: str | None = child()
    bootloader_args: str | None = child()
    os: Os | None = child()
    idmap: IdMap | None = child()
    features: Features | None = child()
    cpu: Cpu | None = child()
    clock: Clock | None = child()
    on_poweroff: LifecycleAction | None = child()
    on_reboot: LifecycleAction | None = child()
    on_crash: LifecycleAction | None = child()
    on_lockfailure: LockFailureAction | None = child()
    pm: PowerManagement | None = child()
    perf: Perf | None = child()
    devices: Devices = child(always=True)
    seclabels: list[SecurityLabel] = children()
    keywrap: KeyWrap | None = child()
    launch_security: LaunchSecurity | None = child()
    qemu_commandline: QemuCommandline | None = child()
    qemu_capabilities: QemuCapabilities | None = child()
    qemu_override: QemuOverride | None = child()
    qemu_deprecation: QemuDeprecation | None = child()
    lxc_namespace: LxcNamespace | None = child()
    vmware_datacenter_path: str | None = child("vmware:datacenterpath")
    vmware_moref: str | None = child("vmware:moref")

    def format(self, form: Form = Form.INACTIVE, secure: bool = False) -> str:
        """The domain's XML in libvirt's layout.

        :param form: INACTIVE is the definition; LIVE has the id, generated aliases and what else only a running
            domain has.
        :param secure: whether passwords are written.
        """
        return super().format(form, secure)

    def shown(self, mode: Mode) -> Domain:
        """What migrates leaves out the controllers that a pc machine always has, which older hosts do not expect."""
        if mode.form is not Form.MIGRATABLE or self.type not in _QEMU:
            return self
        twin = self.copy()
        machine = self.os.type.machine if self.os is not None else None
        for kind, models in _ALWAYS_THERE.items():
            alike = [each for each in twin.devices.controllers if each.type is kind]
            usual = len(alike) == 1 and not alike[0].index and alike[0].model in models and _is_plain(alike[0])
            if usual and (kind is ControllerType.PCI or (machine or "").startswith(("pc-i440fx-", "pc-0.", "pc-1."))):
                twin.devices.controllers.remove(alike[0])
        return twin

    @property
    def labels(self) -> dict[str, str]:
        """The domain's labels, from its metadata."""
        return read_labels(self.metadata)

    def set_labels(self, labels: Mapping[str, str]) -> None:
        """Replace the domain's labels.

        :raise InvalidArgument: a name is empty or has characters that XML does not allow.
        """
        self.metadata = write_labels(self.metadata, labels)


_QEMU = (DomainType.QEMU, DomainType.KVM, DomainType.HVF)

_ALWAYS_THERE: dict[ControllerType, tuple[str | None, ...]] = {
    ControllerType.USB: (None, UsbModel.PIIX3_UHCI),
    ControllerType.PCI: (PciModel.PCI_ROOT,),
}
"""The controllers that QEMU's older machines have by themselves, and their models."""


def _is_plain(controller: Controller) -> bool:
    """Whether nothing is said of a controller but what it is and where it sits."""
    said = (controller.ports, controller.vectors, controller.target, controller.driver, controller.pcihole64)
    user_alias = controller.alias is not None and controller.alias.startswith("ua-")
    return said == (None,) * len(said) and not user_alias
