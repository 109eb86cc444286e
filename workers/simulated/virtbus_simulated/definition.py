"""What a definition becomes on a simulated host: defaults filled in, contradictions and strangers refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from virtbus import domain as vocabulary
from virtbus.domain import Controller, ControllerType, DiskBus, Domain, DomainType, insert
from virtbus.domain.boot import Os, OsType, OsTypeName
from virtbus.domain.chardev import Channel, ChannelTargetType
from virtbus.errors import ConfigUnsupported
from virtbus_simulated.hypervisor.failure import failures

FAIL_LABEL = "simulated.fail"
"""The label of a domain that names its failures, separated by commas."""

ARCHITECTURES = ("x86_64", "i686")

_CONTROLLER_OF_BUS = {
    DiskBus.IDE: ControllerType.IDE,
    DiskBus.SCSI: ControllerType.SCSI,
    DiskBus.SATA: ControllerType.SATA,
    DiskBus.FDC: ControllerType.FDC,
    DiskBus.USB: ControllerType.USB,
}
"""The controllers that libvirt adds for disks; virtio disks sit on PCI, of which the simulated machine has no model."""


def complete(domain: Domain, previous: Domain | None) -> Domain:
    """See Driver.complete."""
    _refuse_strangers(domain)
    made = domain.copy()
    made.id = None
    if made.uuid is None and previous is not None:
        made.uuid = previous.uuid
    made.os = made.os or Os(type=OsType(name=OsTypeName.HVM))
    made.os.type.arch = made.os.type.arch or ARCHITECTURES[0]
    vocabulary.complete(made, renew=True)
    _add_controllers(made)
    vocabulary.check(made)
    failures(chosen_failures(made))
    return made


def vcpus_of(domain: Domain) -> int:
    """The virtual CPUs that are plugged."""
    return 1 if domain.vcpu is None else int(domain.vcpu.current or domain.vcpu.count)


def most_vcpus_of(domain: Domain) -> int:
    """The virtual CPUs that may be plugged."""
    return 1 if domain.vcpu is None else int(domain.vcpu.count)


def memory_of(domain: Domain) -> int:
    """KiB that the guest may use now."""
    return domain.current_memory.kib if domain.current_memory is not None else most_memory_of(domain)


def most_memory_of(domain: Domain) -> int:
    """KiB that the guest may be given."""
    return 0 if domain.memory is None else domain.memory.kib


def chosen_failures(domain: Domain) -> list[str]:
    """The failures that a domain's labels ask for."""
    return [name.strip() for name in domain.labels.get(FAIL_LABEL, "").split(",") if name.strip()]


def _refuse_strangers(domain: Domain) -> None:
    """Refuse what is meant for another hypervisor."""
    if domain.type is not DomainType.TEST:
        _refuse(domain, "/domain/@type", f"a simulated host runs domains of type 'test', not '{domain.type.value}'")
    if domain.os is not None and domain.os.type.name is not OsTypeName.HVM:
        _refuse(domain, "/domain/os/type", f"a simulated host runs 'hvm' guests, not '{domain.os.type.name.value}'")
    if domain.os is not None and domain.os.type.arch not in (None, *ARCHITECTURES):
        _refuse(domain, "/domain/os/type/@arch", f"a simulated host has no processor of kind {domain.os.type.arch}")
    for name, given in _foreign(domain):
        if given:
            _refuse(domain, f"/domain/{name}", f"<{name}> belongs to another hypervisor")


def _foreign(domain: Domain) -> Iterable[tuple[str, Any]]:
    return (
        ("qemu:commandline", domain.qemu_commandline),
        ("qemu:override", domain.qemu_override),
        ("launchSecurity", domain.launch_security),
        ("bootloader", domain.bootloader),
    )


def _refuse(domain: Domain, path: str, message: str) -> NoReturn:
    raise ConfigUnsupported(
        message, domain=domain.uuid or domain.name, hint="change it, or choose another host", evidence={"path": path}
    )


def _add_controllers(domain: Domain) -> None:
    present = {device.type for device in domain.devices.controllers}
    wanted = [_CONTROLLER_OF_BUS.get(disk.target.bus) for disk in domain.devices.disks if disk.target.bus is not None]
    if any(_on_virtio_serial(channel) for channel in domain.devices.channels):
        wanted.append(ControllerType.VIRTIO_SERIAL)
    for kind in wanted:
        if kind is not None and kind not in present:
            present.add(kind)
            insert(domain, Controller(type=kind, index=0))


def _on_virtio_serial(channel: Channel) -> bool:
    return channel.target is not None and channel.target.type is ChannelTargetType.VIRTIO
