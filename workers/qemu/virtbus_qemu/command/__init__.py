"""The command line of a live domain.

    argv = build_argv(live, folder, capabilities, settings)

The domain is complete and prepared (`definition.complete`, `live.prepare`): every device has its address and alias.
What is set in it and has no effect on the command line is refused with its path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from virtbus.domain.address import PciAddress
from virtbus.domain.chardev import Channel, Console, Serial
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
from virtbus.domain.sound import AudioType
from virtbus.domain.video import Video
from virtbus.domain.watchdog import Panic, Watchdog
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import journal
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.chipset import chipset_of
from virtbus_qemu.command import chardev, controller, disk, machine, memory, network, screen, small
from virtbus_qemu.command.parts import Command, Context, Describe, Parts, escape
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.ledger import read_through, refuse_unread, watch
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

#: Where QEMU finds the monitor's listening socket.
MONITOR_DESCRIPTOR = 3

#: Fields of a domain and its devices that others act on: the record, the worker, or nobody, by their meaning.
_ELSEWHERE = ("id", "title", "description", "metadata", "current_memory")


def build_argv(live: Domain, folder: DomainFolder, capabilities: Capabilities, settings: QemuSettings) -> list[str]:
    """The command line that starts a domain, with its processors stopped.

    :raise ConfigUnsupported: something in the domain cannot be done, or has no effect; `evidence["path"]` says what.
    """
    domain = watch(live)
    context = context_of(domain, folder.path, capabilities, settings)
    argv = [
        domain.devices.emulator or str(settings.emulator),
        *("-name", f"guest={escape(domain.name)},debug-threads=on", "-S"),
        *machine.machine(context),
        *machine.processor(context),
        *memory.options(context),
        *_identity(domain),
        *machine.firmware(context),
        *("-display", "none", "-no-user-config", "-nodefaults"),
        *("-chardev", f"socket,id=charmonitor,fd={MONITOR_DESCRIPTOR},server=on,wait=off"),
        *("-mon", "chardev=charmonitor,id=monitor,mode=control"),
        *machine.clock(context),
        *machine.endings(context),
        *machine.power_management(context),
        *machine.boot(context),
        *_iothreads(domain),
        *_audio(domain),
        *(word for _, parts in _described(context) for word in parts.arguments()),
        *_extras(domain),
        *_confinement(settings),
        *("-msg", "timestamp=on"),
        *journal.arguments(folder.journal),
    ]
    environment(domain)
    for label in domain.seclabels:
        if label.type is SecurityLabelType.NONE:
            read_through(label)
    for name in _ELSEWHERE:
        read_through(getattr(domain, name))
    refuse_unread(domain, "/domain", domain.name)
    return argv


def settle(live: Domain, folder: DomainFolder, capabilities: Capabilities, settings: QemuSettings) -> list[Command]:
    """The QMP commands that a new QEMU is sent before the guest runs: limits, passwords, links, the balloon."""
    context = context_of(live, folder.path, capabilities, settings)
    commands = [command for _, parts in _described(context) for command in parts.settle]
    if live.memory and live.current_memory and live.current_memory.kib < live.memory.kib and live.devices.memballoon:
        commands.append(Command("balloon", {"value": live.current_memory.kib * 1024}))
    return commands


def context_of(domain: Domain, folder: Path, capabilities: Capabilities, settings: QemuSettings) -> Context:
    """What descriptions of this domain's devices depend on."""
    return Context(domain, chipset_of(domain), capabilities, settings, folder, machine.boot_order(domain))


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


def _described(context: Context) -> Iterator[tuple[Device, Parts]]:
    # Buses come before what sits on them, and a bridge before a bridge on it.
    controllers = context.domain.devices.controllers
    depth = {each.index: _depth(each, controllers) for each in controllers if each.type is ControllerType.PCI}

    def order(each: Controller) -> tuple[int, int, bool]:
        is_pci = each.type is ControllerType.PCI
        return depth[each.index] if is_pci else len(controllers), each.index or 0, each.master is not None

    others = (each for each in context.domain.devices.every() if not isinstance(each, Controller))
    for device in (*sorted(controllers, key=order), *others):
        read_through(device.alias)
        yield device, describe(device, context)


def _depth(controller: Controller, controllers: list[Controller]) -> int:
    """How many bridges are between a PCI controller and the root."""
    above = {each.index: each for each in controllers if each.type is ControllerType.PCI}
    depth, here = 0, controller
    while isinstance(here.address, PciAddress) and depth <= len(above):
        depth, here = depth + 1, above[here.address.bus]
    return depth


def _identity(domain: Domain) -> list[str]:
    options = ["-uuid", str(domain.uuid)] if domain.uuid else []
    if domain.genid:
        genid = {"driver": "vmgenid", "guid": domain.genid, "id": "vmgenid0"}
        options += ["-device", json.dumps(genid)]
    if domain.features and domain.features.vmcoreinfo and domain.features.vmcoreinfo.state is not False:
        options += ["-device", json.dumps({"driver": "vmcoreinfo"})]
    return options


def _iothreads(domain: Domain) -> list[str]:
    named = [each.id for each in domain.iothread_ids.iothreads] if domain.iothread_ids else []
    free = (number for number in range(1, (domain.iothreads or 0) + len(named) + 1) if number not in named)
    numbers = [*named, *(next(free) for _ in range((domain.iothreads or 0) - len(named)))]
    return [
        word
        for number in numbers
        for word in ("-object", json.dumps({"qom-type": "iothread", "id": f"iothread{number}"}))
    ]


def _audio(domain: Domain) -> list[str]:
    options: list[str] = []
    for audio in domain.devices.audios:
        if audio.type is not AudioType.NONE:
            raise ConfigUnsupported(
                f"audio of type {audio.type} is not supported",
                domain=domain.name,
                evidence={"path": "/domain/devices/audio/@type"},
            )
        options += ["-audiodev", json.dumps({"id": f"audio{audio.id}", "driver": "none"})]
    return options


def _extras(domain: Domain) -> list[str]:
    extra = domain.qemu_commandline
    if extra is None:
        return []
    return [argument.value for argument in extra.arguments]


def environment(live: Domain) -> dict[str, str]:
    """The environment variables that the definition gives QEMU."""
    variables: list[Any] = live.qemu_commandline.variables if live.qemu_commandline else []
    return {variable.name: variable.value or "" for variable in variables}


def _confinement(settings: QemuSettings) -> list[str]:
    options: list[str] = []
    if settings.run_as is not None:
        options += ["-runas", settings.run_as]
    if settings.sandbox:
        # Changing the user is a change of privileges, which the filter would refuse.
        privileges = "" if settings.run_as else "elevateprivileges=deny,"
        options += ["-sandbox", f"on,obsolete=deny,{privileges}spawn=deny,resourcecontrol=deny"]
    return options
