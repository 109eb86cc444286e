"""What libvirt fills in of the machine itself: emulator, architecture, machine type, features, NUMA processors."""

from __future__ import annotations

from virtbus.domain.boot import Os, OsType, OsTypeName
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.features import Features, Gic, IoapicDriver
from virtbus.domain.iommu import Iommu, IommuDriver, IommuModel
from virtbus.domain.security import SecurityLabelType
from virtbus.errors import ConfigUnsupported
from virtbus.xml.codec import numbers, ranges
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import Board, platform_of
from virtbus_qemu.settings import QemuSettings

#: The architectures that a binary has guests of besides its own.
_ALSO = {"x86_64": ("i686",), "aarch64": ("armv7l", "armv6l"), "armv7l": ("armv6l",), "ppc64": ("ppc64le",)}

#: The machine types of new domains, where QEMU's own default is none or not what libvirt takes.
_USUAL = {
    "x86_64": "pc",
    "i686": "pc",
    "aarch64": "virt",
    "armv7l": "virt",
    "riscv64": "virt",
    "riscv32": "virt",
    "loongarch64": "virt",
    "ppc64": "pseries",
    "ppc": "g3beige",
    "s390x": "s390-ccw-virtio",
}

#: The features that are on where they are named without a state.
_ON_BY_NAME = ("pvspinlock", "pmu", "vmport", "smm", "vmcoreinfo", "hap")

#: With more processors than these an x86 guest needs an IOMMU with extended interrupts (Intel: VT-d, EIM).
_PLAIN_INTERRUPTS = 255

#: The version of ARM's interrupt controller that every QEMU imitates.
_PLAIN_GIC = "2"


def fill(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Fill in emulator, architecture and machine type.

    :raise ConfigUnsupported: QEMU has no such guests, machine or accelerator.
    """
    os = domain.os = domain.os or Os(type=OsType(name=OsTypeName.HVM))
    kind = os.type
    domain.devices.emulator = domain.devices.emulator or str(settings.emulator)
    kind.arch = kind.arch or capabilities.arch
    if kind.name is not OsTypeName.HVM:
        raise _unsupported(domain, f"does not support os type '{kind.name}'", "/domain/os/type")
    if kind.arch != capabilities.arch and kind.arch not in _ALSO.get(capabilities.arch, ()):
        raise _unsupported(domain, f"does not support arch '{kind.arch}'", "/domain/os/type/@arch")
    if domain.type not in (DomainType.QEMU, DomainType.KVM, DomainType.HVF) or (
        domain.type is not DomainType.QEMU and capabilities.digest.accelerator(domain.type.value) is None
    ):
        hint = "use type='qemu', or load the module" if domain.type is DomainType.KVM else None
        raise _unsupported(domain, f"does not support virt type '{domain.type}'", "/domain/@type", hint)
    usual = _USUAL.get(kind.arch) if kind.machine is None else None
    known = usual if usual is not None and capabilities.find_machine(usual) else kind.machine
    kind.machine = capabilities.machine(known).name


def fill_features(domain: Domain, capabilities: Capabilities, settings: QemuSettings, *, renew: bool) -> None:
    """Switch on what is named, and what the machine always has or other settings need.

    :param renew: as when a domain is defined; stored ones of s390x may name ACPI, which once was ignored there.
    """
    features = domain.features
    if features is not None and platform_of(domain).is_s390 and not renew:
        features.acpi = False
    for name in _ON_BY_NAME if features is not None else ():
        state = getattr(features, name)
        if state is not None and state.state is None:
            state.state = True
    if features is not None and features.async_teardown is not None and features.async_teardown.enabled is None:
        features.async_teardown.enabled = True
    _fill_gic(domain, capabilities, settings)
    driver = domain.devices.iommu.driver if domain.devices.iommu else None
    if driver is not None and driver.intremap:
        features = domain.features = domain.features or Features()
        features.ioapic = features.ioapic or IoapicDriver.QEMU


def fill_label(domain: Domain) -> None:
    """A security label that names no driver is that of the host's first; the worker has none."""
    if len(domain.seclabels) == 1 and domain.seclabels[0].model is None:
        label = domain.seclabels[0]
        if label.type in (None, SecurityLabelType.NONE):
            label.model, label.type = "none", SecurityLabelType.NONE


def fill_iommu(domain: Domain) -> None:
    """More processors than plain interrupts reach need an IOMMU that extends them."""
    many = domain.vcpu is not None and domain.vcpu.count > _PLAIN_INTERRUPTS
    if not many or platform_of(domain).board is not Board.Q35:
        return
    iommu = domain.devices.iommu = domain.devices.iommu or Iommu(model=IommuModel.INTEL)
    if iommu.model is IommuModel.INTEL:
        driver = iommu.driver = iommu.driver or IommuDriver()
        driver.intremap = True if driver.intremap is None else driver.intremap
        driver.eim = True if driver.eim is None else driver.eim


def fill_nodes(domain: Domain) -> None:
    """Processors that belong to no NUMA node belong to the first."""
    cells = domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []
    if not cells or domain.vcpu is None:
        return
    taken = {number for cell in cells if cell.cpus for number in numbers(cell.cpus)}
    free = [number for number in range(domain.vcpu.count) if number not in taken]
    if free:
        first = min(cells, key=lambda cell: cell.id or 0)
        first.cpus = ranges(sorted({*free, *(numbers(first.cpus) if first.cpus else ())}))


def _fill_gic(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """The boards named virt always have ARM's interrupt controller; the newest that KVM has."""
    features = domain.features
    is_open = features is not None and features.gic is not None and features.gic.version is None
    if not is_open and (platform_of(domain).board is not Board.ARM_VIRT or (features and features.gic)):
        return
    features = domain.features = features or Features()
    features.gic = features.gic or Gic()
    own = {str(each.version) for each in capabilities.digest.gics if each.kernel}
    versions = sorted(settings.gic or own) if domain.type is DomainType.KVM else []
    features.gic.version = versions[-1] if versions else _PLAIN_GIC


def _unsupported(domain: Domain, message: str, path: str, hint: str | None = None) -> ConfigUnsupported:
    text = f"Emulator '{domain.devices.emulator}' {message}"
    return ConfigUnsupported(text, domain=domain.name, hint=hint, evidence={"path": path})
