"""The QMP commands that plug a device into a running QEMU, and that take it out again.

    plug = Plug.of(live, device, capabilities, settings, folder)
    plug.earlier        sent first: what must be right before
    plug.backends       added in order; where one fails, the others are taken away: plug.unwind(done)
    plug.device         then device_add
    plug.settle         then limits, links and the like
    plug.removal        device_del; QEMU tells of the device's end by DEVICE_DELETED
    plug.teardown       then the backends are taken away

The device has its address and alias already (`live.prepare_device`). One mechanism serves every kind; what differs
between kinds are the tables `PLUGGABLE` and `command.DESCRIBE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from virtbus.domain.address import PciAddress
from virtbus.domain.chardev import Channel, Console, ConsoleTargetType, Serial, SerialTargetType
from virtbus.domain.controller import Controller, ControllerType
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus, DiskDevice
from virtbus.domain.domain import Domain
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.hostdev import Hostdev, HostdevMode
from virtbus.domain.input import Input, InputBus
from virtbus.domain.interface import Interface
from virtbus.domain.memorydevice import MemoryDevice
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.shmem import Shmem
from virtbus.domain.smalldevice import Vsock
from virtbus.domain.watchdog import Watchdog, WatchdogModel
from virtbus.errors import ConfigUnsupported, WrongState
from virtbus_qemu import provided
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import context_of, describe
from virtbus_qemu.command.disk import managed_reservations
from virtbus_qemu.command.parts import Backend, Command, Context, Parts
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.ledger import refuse_unread, watch
from virtbus_qemu.platform import platform_of
from virtbus_qemu.settings import QemuSettings

_HOT_DISK_BUSES = (DiskBus.VIRTIO, DiskBus.SCSI, DiskBus.USB)


def _disk(disk: Disk) -> bool:
    return disk.target.bus in _HOT_DISK_BUSES and (
        disk.device is not DiskDevice.CDROM or disk.target.bus is not DiskBus.VIRTIO
    )


def _controller(controller: Controller) -> bool:
    return controller.type is ControllerType.SCSI


def _input(device: Input) -> bool:
    return device.bus is not InputBus.PS2


def _watchdog(device: Watchdog) -> bool:
    return device.model is WatchdogModel.I6300ESB


def _serial(serial: Serial) -> bool:
    return serial.target is not None and serial.target.type in (
        SerialTargetType.PCI_SERIAL,
        SerialTargetType.USB_SERIAL,
    )


def _console(console: Console) -> bool:
    return console.target is not None and console.target.type is ConsoleTargetType.VIRTIO


def _filesystem(filesystem: Filesystem) -> bool:
    return filesystem.driver is not None and filesystem.driver.type == "virtiofs"


def _hostdev(hostdev: Hostdev) -> bool:
    return hostdev.mode is HostdevMode.SUBSYSTEM


def _any(_: Device) -> bool:
    return True


PLUGGABLE: dict[type[Device], Callable[[Any], bool]] = {
    Disk: _disk,
    Controller: _controller,
    Interface: _any,
    Hostdev: _hostdev,
    Redirdev: _any,
    Serial: _serial,
    Console: _console,
    Channel: _any,
    Input: _input,
    Rng: _any,
    Watchdog: _watchdog,
    MemoryDevice: _any,
    Shmem: _any,
    Filesystem: _filesystem,
    Vsock: _any,
}
"""The kinds that can be plugged while the guest runs, and which devices of the kind."""


@dataclass(frozen=True)
class Plug:
    """A device as commands."""

    alias: str
    parts: Parts

    @classmethod
    def of(
        cls,
        live: Domain,
        device: Device,
        capabilities: Capabilities,
        settings: QemuSettings,
        folder: DomainFolder,
        *,
        strict: bool = False,
    ) -> Plug:
        """The commands of a device that is, or will be, in a running domain.

        :param strict: whether to refuse what is set in the device and has no effect: for a new one.
        :raise ConfigUnsupported: there are no such devices, or something in it cannot be done.
        """
        if strict:
            provided.check_device(device, f"/{device.element_tag}", live)
        watched = watch(device) if strict else device
        parts = described(live, watched, context_of(live, folder.path, capabilities, settings))
        if strict:
            _ = watched.alias
            refuse_unread(watched, f"/{device.element_tag}", live.name)
        return cls(device.alias or "", parts)

    @property
    def backends(self) -> tuple[Backend, ...]:
        """What the device needs on the host's side, in the order in which it is added."""
        return self.parts.backends

    @property
    def has_device(self) -> bool:
        """Whether the guest's side is a device of QEMU's under the alias; not so of what is built in."""
        return self.parts.device is not None and "id" in self.parts.device

    @property
    def earlier(self) -> tuple[Command, ...]:
        """What must be right before it is there."""
        return self.parts.earlier

    @property
    def additions(self) -> tuple[Command, ...]:
        """What plugs it: each backend, then the device."""
        sides = (each for each in (self.parts.extension, self.parts.device) if each is not None)
        return (*(backend.add() for backend in self.backends), *(Command("device_add", each) for each in sides))

    def with_backends(self, backends: tuple[Backend, ...]) -> Plug:
        """The same with other backends, such as those that were handed what they use."""
        return replace(self, parts=replace(self.parts, backends=backends))

    @property
    def settle(self) -> tuple[Command, ...]:
        """What makes it right once it is there."""
        return self.parts.settle

    @property
    def removal(self) -> Command:
        """What asks the guest to let go of it."""
        return Command("device_del", {"id": self.alias})

    @property
    def teardown(self) -> tuple[Command, ...]:
        """What frees the host's side, once the guest's side is gone."""
        extension = self.parts.extension
        extra = () if extension is None else (Command("device_del", {"id": extension["id"]}),)
        return (*extra, *(backend.delete() for backend in reversed(self.backends) if not backend.owned))

    def unwind(self, done: Sequence[Command]) -> tuple[Command, ...]:
        """What undoes these additions, after another one failed."""
        extension = self.parts.extension
        added = extension is not None and Command("device_add", extension) in done
        extra = (Command("device_del", {"id": extension["id"]}),) if extension is not None and added else ()
        return (*extra, *(backend.delete() for backend in reversed(self.backends) if backend.add() in done))

    def is_plugged(self, done: Sequence[Command]) -> bool:
        """Whether the guest has it after these additions."""
        return self.parts.device is not None and Command("device_add", self.parts.device) in done


def described(live: Domain, device: Device, context: Context) -> Parts:
    """What a device of a running domain is made of, with what it shares with others that are not there (yet)."""
    parts = describe(device, context)
    if isinstance(device, Disk) and _reserves(device):
        others = (disk for disk in live.devices.disks if disk.alias != device.alias)
        if not any(map(_reserves, others)):
            return replace(parts, backends=(managed_reservations(context), *parts.backends))
    return parts


def _reserves(disk: Disk) -> bool:
    """Whether the worker's helper keeps a disk's persistent reservations."""
    return disk.source is not None and disk.source.reservations is not None and disk.source.reservations.managed


def check_attach(live: Domain, device: Device) -> None:
    """Refuse a device that cannot be plugged into a running domain.

    :raise ConfigUnsupported: its kind cannot.
    """
    if not _is_pluggable(device):
        raise ConfigUnsupported(
            f"{_what(device)} cannot be attached while the domain runs",
            domain=live.name,
            hint="attach it to the definition (config); it is there after the next start",
        )


def check_detach(live: Domain, device: Device) -> None:
    """Refuse a removal that can never come about, before anything is marked or sent.

    :raise ConfigUnsupported: devices of this kind, or at this place, cannot be unplugged.
    :raise WrongState: something still sits on it.
    """
    if not _is_pluggable(device) or device.alias is None:
        raise ConfigUnsupported(
            f"{_what(device)} cannot be detached while the domain runs",
            domain=live.name,
            hint="detach it from the definition (config); it is gone after the next start",
        )
    if isinstance(device, Controller):
        _check_empty(live, device)
    if isinstance(device.address, PciAddress):
        _check_place(live, device, device.address)


def _check_empty(live: Domain, controller: Controller) -> None:
    for disk in live.devices.disks:
        at = disk.address
        if disk.target.bus is DiskBus.SCSI and getattr(at, "controller", None) == controller.index:
            raise WrongState(
                f"disk {disk.target.dev} sits on controller {controller.alias}",
                domain=live.name,
                hint="detach the disk first",
            )


def _check_place(live: Domain, device: Device, address: PciAddress) -> None:
    if address.multifunction or address.function:
        raise ConfigUnsupported(f"{_what(device)} is a function of a multifunction card", domain=live.name)
    if platform_of(live).express and address.bus == 0:
        raise ConfigUnsupported(
            f"{_what(device)} sits on the root bus, where nothing can be unplugged",
            domain=live.name,
            hint="put it on a pcie-root-port in the definition",
        )
    ports = (each for each in live.devices.controllers if each.type is ControllerType.PCI)
    for port in ports:
        if (
            port.type is ControllerType.PCI
            and port.index == address.bus
            and port.target
            and port.target.hotplug is False
        ):
            raise ConfigUnsupported(
                f"{_what(device)} sits on controller {port.alias}, which has hotplug='off'", domain=live.name
            )


def _is_pluggable(device: Device) -> bool:
    return any(isinstance(device, kind) and fits(device) for kind, fits in PLUGGABLE.items())


def _what(device: Device) -> str:
    return f"{device.element_tag} {device.alias or ''}".strip()
