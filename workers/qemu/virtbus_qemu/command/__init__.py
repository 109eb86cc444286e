"""The command line of a live domain.

    argv = build_argv(live, folder, capabilities, settings)

The domain is complete and prepared (`definition.complete`, `live.prepare`): every device has its address and alias.
`SECTIONS` is the order of the options, libvirt's own. What is set in the domain and has no effect on the command line
is refused with its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from virtbus.domain.address import PciAddress
from virtbus.domain.chardev import Channel, Console, Parallel, Serial
from virtbus.domain.controller import Controller
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.graphics import Graphics
from virtbus.domain.hostdev import Hostdev
from virtbus.domain.hub import Hub
from virtbus.domain.input import Input
from virtbus.domain.interface import Interface
from virtbus.domain.iommu import Iommu
from virtbus.domain.memballoon import Memballoon
from virtbus.domain.memorydevice import MemoryDevice
from virtbus.domain.nvram import Nvram
from virtbus.domain.pstore import Pstore
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.security import SecurityLabelType
from virtbus.domain.shmem import Shmem
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.smartcard import Smartcard
from virtbus.domain.sound import Sound
from virtbus.domain.tpm import Tpm
from virtbus.domain.video import Video
from virtbus.domain.watchdog import Panic, Watchdog
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import daemons, journal
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.checks import check_start
from virtbus_qemu.command import (
    audio,
    balloon,
    boot,
    chardev,
    clock,
    controller,
    crypto,
    disk,
    filesystem,
    firmware,
    frame,
    graphics,
    hostdev,
    hub,
    identity,
    iommu,
    keyvalue,
    launch,
    machine,
    memory,
    memorydevice,
    network,
    numa,
    nvram,
    override,
    panic,
    power,
    processor,
    pstore,
    redirdev,
    rng,
    shmem,
    smartcard,
    sound,
    threads,
    topology,
    tpm,
    video,
    vsock,
    watchdog,
)
from virtbus_qemu.command import input as inputs
from virtbus_qemu.command.block.descriptors import sets_of
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
    Input: inputs.describe,
    Graphics: graphics.describe,
    Video: video.describe,
    Sound: sound.describe,
    Watchdog: watchdog.describe,
    Memballoon: balloon.describe,
    Hostdev: hostdev.describe,
    Filesystem: filesystem.describe,
    Hub: hub.describe,
    Iommu: iommu.describe,
    Nvram: nvram.describe,
    Shmem: shmem.describe,
    Crypto: crypto.describe,
    Pstore: pstore.describe,
    Rng: rng.describe,
    Panic: panic.describe,
    MemoryDevice: memorydevice.describe,
    Vsock: vsock.describe,
    Parallel: chardev.parallel,
    Smartcard: smartcard.describe,
    Tpm: tpm.describe,
    Redirdev: redirdev.describe,
}
"""How each kind of device is described; other kinds are refused."""

_USUAL_PARTITION = "/machine"
"""What libvirt writes into every live definition: the domain is nowhere in particular."""

Section = Callable[[Context], Iterable[str]]

#: Fields of a domain and its devices that others act on: the record, the worker, or nobody, by their meaning.
_ELSEWHERE = ("id", "title", "description", "metadata", "current_memory")


def devices(*kinds: type[Device]) -> Section:
    """The section of all devices of these kinds, each kind in the order of the definition."""

    def section(context: Context) -> Iterator[str]:
        for kind in kinds:
            yield from _arguments(_of_kind(kind, context), context)

    return section


def assigned_cards(*, by_network: bool) -> Section:
    """The section of the host's cards that the definition names, or that a network has lent."""

    def section(context: Context) -> Iterator[str]:
        yield from _arguments(network.assigned(context.domain, by_network=by_network), context)

    return section


def smartcard_readers(context: Context) -> Iterator[str]:
    """The readers, which sit on USB hubs that were made meanwhile."""
    yield from _arguments(controller.readers(context), context)


def _arguments(devices: Iterable[Device], context: Context) -> Iterator[str]:
    for device in devices:
        read_through(device.alias)
        yield from describe(device, context).arguments()


SECTIONS: tuple[Section, ...] = (
    frame.name,
    frame.master_key,
    disk.reservations,
    firmware.flash,
    machine.machine,
    machine.smm_memory,
    processor.processor,
    firmware.image,
    memory.options,
    topology.topology,
    threads.iothreads,
    threads.throttle_groups,
    numa.options,
    identity.identity,
    frame.plain,
    boot.serial_screen,
    frame.monitor,
    clock.clock,
    power.power_management,
    boot.boot,
    power.root_hotplug,
    devices(Iommu, Controller, MemoryDevice, Hub),
    smartcard_readers,
    disk.floppy_controller,
    devices(Disk, Filesystem, Interface),
    devices(Smartcard, Serial, Parallel, Channel, Console, Tpm, Input),
    audio.options,
    devices(Graphics, Video, Sound, Watchdog),
    watchdog.options,
    devices(Redirdev),
    assigned_cards(by_network=False),
    devices(Hostdev),
    assigned_cards(by_network=True),
    frame.incoming,
    devices(Memballoon, Rng, Nvram),
    identity.core_info,
    launch.options,
    frame.extras,
    frame.confinement,
    devices(Panic, Shmem, Vsock, Crypto, Pstore),
    frame.teardown,
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
    words = [emulator, *(word for section in SECTIONS for word in section(context))]
    return words if context.has("device.json+hotplug") else keyvalue.without_device_json(words)


def build_argv(live: Domain, folder: DomainFolder, capabilities: Capabilities, settings: QemuSettings) -> list[str]:
    """The command line that starts a domain, with its processors stopped.

    :raise ConfigUnsupported: something in the domain cannot be done, or has no effect; `evidence["path"]` says what.
    """
    check_start(live, capabilities, settings)
    domain = watch(live)
    context = context_of(domain, folder.path, capabilities, settings)
    argv = [*command_line(context), *journal.arguments(folder.journal)]
    for device in domain.devices.every():
        if not isinstance(device, tuple(_IN_ORDER)):
            describe(device, context)
    frame.environment(domain, settings)
    power.endings(domain)
    # What is the daemons' to do is done.
    _ = list(daemons.of(domain, folder.path, settings))
    for label in domain.seclabels:
        if label.type is SecurityLabelType.NONE:
            read_through(label)
    if domain.resource is not None and domain.resource.partition == _USUAL_PARTITION:
        read_through(domain.resource.partition)
    for name in _ELSEWHERE:
        read_through(getattr(domain, name))
    refuse_unread(domain, "/domain", domain.name)
    return argv


def settle(live: Domain, folder: DomainFolder, capabilities: Capabilities, settings: QemuSettings) -> list[Command]:
    """The QMP commands that a new QEMU is sent before the guest runs: what ends it, limits, passwords, links, the
    balloon."""
    context = context_of(live, folder.path, capabilities, settings)
    commands = [Command("set-action", power.endings(live))]
    for device in live.devices.every():
        commands += describe(device, context).settle
    return [*commands, *balloon.targets(live)]


def context_of(domain: Domain, folder: Path, capabilities: Capabilities, settings: QemuSettings) -> Context:
    """What descriptions of this domain's devices depend on."""
    pretended = domain.qemu_capabilities
    if pretended is not None:
        added, removed = ([each.capability for each in some] for some in (pretended.added, pretended.removed))
        capabilities = capabilities.changed(added, removed)
    # The disks' images have the first numbers.
    sets = count(sets_of(domain))
    return Context(domain, platform_of(domain), capabilities, settings, folder, boot.boot_order(domain), sets)


def describe(device: Device, context: Context) -> Parts:
    """A device in QEMU's terms.

    :raise ConfigUnsupported: there are no such devices.
    """
    for kind, make in DESCRIBE.items():
        if isinstance(device, kind):
            return override.apply(_identified(make(device, context), device), context.domain)
    raise ConfigUnsupported(
        f"{device.element_tag} devices are not supported",
        domain=context.domain.name,
        evidence={"path": f"/domain/devices/{device.element_tag}"},
    )


def _identified(parts: Parts, device: Device) -> Parts:
    """With the identifiers that PCI devices of s390x guests have: a device of QEMU's that is there before it."""
    zpci = device.address.zpci if isinstance(device.address, PciAddress) else None
    # Of memory devices libvirt leaves them to QEMU.
    if zpci is None or parts.device is None or isinstance(device, MemoryDevice):
        return parts
    extension = {"driver": "zpci", "uid": zpci.uid, "fid": zpci.fid, "target": device.alias, "id": f"zpci{zpci.uid}"}
    return replace(parts, extension=extension)


def _of_kind(kind: type[Device], context: Context) -> Iterable[Device]:
    if kind is Controller:
        return controller.in_order(context)
    if kind is Interface:
        return network.cards(context.domain)
    return (each for each in context.domain.devices.every() if isinstance(each, kind))


def environment(live: Domain, settings: QemuSettings) -> dict[str, str]:
    """See `frame.environment`."""
    return frame.environment(live, settings)


__all__: list[Any] = ["DESCRIBE", "SECTIONS", "build_argv", "command_line", "context_of", "describe", "settle"]
