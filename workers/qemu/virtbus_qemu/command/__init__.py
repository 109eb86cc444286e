"""The command line of a live domain.

    argv = build_argv(live, folder, capabilities, settings)

The domain is complete and prepared (`definition.complete`, `live.prepare`): every device has its address and alias.
`SECTIONS` is the order of the options, libvirt's own. What is set in the domain and has no effect on the command line
is refused with its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from virtbus.domain.address import PciAddress
from virtbus.domain.chardev import Channel, Console, Parallel, Serial
from virtbus.domain.controller import Controller, ControllerType
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.graphics import Graphics
from virtbus.domain.input import Input
from virtbus.domain.interface import Interface
from virtbus.domain.memballoon import Memballoon
from virtbus.domain.memorydevice import MemoryDevice
from virtbus.domain.rng import Rng
from virtbus.domain.security import SecurityLabelType
from virtbus.domain.smalldevice import Vsock
from virtbus.domain.video import Video
from virtbus.domain.watchdog import Panic, Watchdog
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import journal
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import chardev, controller, disk, frame, machine, memory, network, screen, small, sound
from virtbus_qemu.command.parts import Command, Context, Describe, Parts
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.ledger import read_through, refuse_unread, watch
from virtbus_qemu.platform import platform_of
from virtbus_qemu.settings import QemuSettings

DESCRIBE: dict[type[Device], Describe] = {
    Controller: controller.describe,
    Disk: disk.describe,
    Interface: network.describe,
    Serial: chardev.serial,
    Console: chardev.console,
    Channel: chardev.channel,
    Input: small.input_device,
    Graphics: screen.graphics,
    Video: screen.video,
    Watchdog: small.watchdog,
    Memballoon: small.memballoon,
    Rng: small.rng,
    Panic: small.panic,
    MemoryDevice: small.memory_device,
    Vsock: small.vsock,
}
"""How each kind of device is described; other kinds are refused."""

Section = Callable[[Context], Iterable[str]]

#: Fields of a domain and its devices that others act on: the record, the worker, or nobody, by their meaning.
_ELSEWHERE = ("id", "title", "description", "metadata", "current_memory")


def devices(*kinds: type[Device]) -> Section:
    """The section of all devices of these kinds, each kind in the order of the definition."""

    def section(context: Context) -> Iterator[str]:
        for kind in kinds:
            for device in _of_kind(kind, context.domain):
                read_through(device.alias)
                yield from describe(device, context).arguments()

    return section


SECTIONS: tuple[Section, ...] = (
    frame.name,
    machine.machine,
    machine.processor,
    memory.options,
    machine.topology,
    frame.iothreads,
    frame.identity,
    machine.firmware,
    frame.plain,
    frame.monitor,
    machine.clock,
    frame.no_shutdown,
    machine.power_management,
    machine.boot,
    devices(Controller, MemoryDevice, Disk, Interface, Serial, Parallel, Channel, Console, Input),
    sound.audio,
    devices(Graphics, Video, Watchdog, Memballoon, Rng, Panic, Vsock),
    frame.extras,
    frame.confinement,
    frame.messages,
)
"""The parts of a command line, in libvirt's order."""

_IN_ORDER = frozenset(DESCRIBE)
"""The kinds of devices that some section writes."""


def command_line(context: Context) -> list[str]:
    """The emulator and its options, in libvirt's order, whatever of the domain has no effect on them.

    :raise ConfigUnsupported: something in the domain cannot be done.
    """
    emulator = context.domain.devices.emulator or str(context.settings.emulator)
    return [emulator, *(word for section in SECTIONS for word in section(context))]


def build_argv(live: Domain, folder: DomainFolder, capabilities: Capabilities, settings: QemuSettings) -> list[str]:
    """The command line that starts a domain, with its processors stopped.

    :raise ConfigUnsupported: something in the domain cannot be done, or has no effect; `evidence["path"]` says what.
    """
    domain = watch(live)
    context = context_of(domain, folder.path, capabilities, settings)
    argv = [*command_line(context), *journal.arguments(folder.journal)]
    for device in domain.devices.every():
        if not isinstance(device, tuple(_IN_ORDER)):
            describe(device, context)
    frame.environment(domain)
    machine.endings(domain)
    for label in domain.seclabels:
        if label.type is SecurityLabelType.NONE:
            read_through(label)
    for name in _ELSEWHERE:
        read_through(getattr(domain, name))
    refuse_unread(domain, "/domain", domain.name)
    return argv


def settle(live: Domain, folder: DomainFolder, capabilities: Capabilities, settings: QemuSettings) -> list[Command]:
    """The QMP commands that a new QEMU is sent before the guest runs: what ends it, limits, passwords, links, the
    balloon."""
    context = context_of(live, folder.path, capabilities, settings)
    commands = [Command("set-action", machine.endings(live))]
    for device in live.devices.every():
        commands += describe(device, context).settle
    if live.memory and live.current_memory and live.current_memory.kib < live.memory.kib and live.devices.memballoon:
        commands.append(Command("balloon", {"value": live.current_memory.kib * 1024}))
    return commands


def context_of(domain: Domain, folder: Path, capabilities: Capabilities, settings: QemuSettings) -> Context:
    """What descriptions of this domain's devices depend on."""
    return Context(domain, platform_of(domain), capabilities, settings, folder, machine.boot_order(domain))


def describe(device: Device, context: Context) -> Parts:
    """A device in QEMU's terms.

    :raise ConfigUnsupported: there are no such devices.
    """
    for kind, make in DESCRIBE.items():
        if isinstance(device, kind):
            return make(device, context)
    raise ConfigUnsupported(
        f"{device.element_tag} devices are not supported",
        domain=context.domain.name,
        evidence={"path": f"/domain/devices/{device.element_tag}"},
    )


def _of_kind(kind: type[Device], domain: Domain) -> Iterable[Device]:
    if kind is Controller:
        return _controllers(domain)
    return (each for each in domain.devices.every() if isinstance(each, kind))


#: The order in which buses are made.
_BUSES = (
    ControllerType.PCI,
    ControllerType.USB,
    ControllerType.SCSI,
    ControllerType.IDE,
    ControllerType.SATA,
    ControllerType.VIRTIO_SERIAL,
    ControllerType.CCID,
)


def _controllers(domain: Domain) -> list[Controller]:
    """Buses come before what sits on them, and a bridge before a bridge on it."""
    controllers = domain.devices.controllers
    depth = {each.index: _depth(each, controllers) for each in controllers if each.type is ControllerType.PCI}

    def order(each: Controller) -> tuple[int, int]:
        rank = _BUSES.index(each.type) if each.type in _BUSES else len(_BUSES)
        return rank, depth[each.index] if each.type is ControllerType.PCI else 0

    return sorted(controllers, key=order)


def _depth(controller: Controller, controllers: list[Controller]) -> int:
    """How many bridges are between a PCI controller and the root."""
    above = {each.index: each for each in controllers if each.type is ControllerType.PCI}
    depth, here = 0, controller
    while isinstance(here.address, PciAddress) and depth <= len(above) and here.address.bus in above:
        depth, here = depth + 1, above[here.address.bus]
    return depth


def environment(live: Domain) -> dict[str, str]:
    """See `frame.environment`."""
    return frame.environment(live)


__all__: list[Any] = ["DESCRIBE", "SECTIONS", "build_argv", "command_line", "context_of", "describe", "settle"]
