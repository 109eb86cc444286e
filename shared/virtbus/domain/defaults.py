"""What libvirt fills in for every hypervisor when it reads a domain.

A hypervisor's own defaults (machine, controllers, models, addresses) are not here: its worker adds them.
`complete` is idempotent. What each kind of device gets is in `devicedefaults`, where disks sit in `buses`.
"""

from __future__ import annotations

from os import urandom
from typing import Any
from uuid import UUID

from virtbus.domain import buses, threads
from virtbus.domain.boot import BootDevice, OsTypeName
from virtbus.domain.chardev import (
    CharDevice,
    Console,
    ConsoleTarget,
    ConsoleTargetType,
    Serial,
    SerialTarget,
    SerialTargetType,
)
from virtbus.domain.clock import Clock
from virtbus.domain.cpu import CpuMode
from virtbus.domain.devicedefaults import complete_device
from virtbus.domain.domain import Domain
from virtbus.domain.features import HypervMode
from virtbus.domain.lookup import insert
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.tuning import NumaMemory, NumaMode, NumaTune, Placement, Vcpu
from virtbus.domain.video import VideoType


def complete(domain: Domain, *, renew: bool = False) -> None:
    """Fill in, in place, what libvirt fills in for every hypervisor. A new UUID and MAC addresses are random.

    :param renew: as when a user defines or creates a domain, not when a stored one is read: what follows from other
        numbers (memory from NUMA nodes) is computed anew although it is there.
    """
    if domain.uuid is None:
        domain.uuid = _random_uuid()
    if domain.genid == "":
        domain.genid = str(_random_uuid())
    if renew:
        forget_nodes(domain)
    _complete_memory(domain, renew)
    if domain.vcpu is None:
        domain.vcpu = Vcpu(count=1)
    if _is_placed_by_numad(domain, domain.vcpu):
        domain.vcpu.placement = Placement.AUTO
    domain.vcpu.placement = domain.vcpu.placement or Placement.STATIC
    _complete_limits(domain)
    if domain.vcpu.current == domain.vcpu.count:
        domain.vcpu.current = None
    _complete_placement(domain)
    _number_cells(domain)
    if domain.features is not None and domain.features.hyperv is not None:
        domain.features.hyperv.mode = domain.features.hyperv.mode or HypervMode.CUSTOM
    if domain.cpu is not None and domain.cpu.mode in _HOSTS_OWN and domain.cpu.model is not None:
        # The host's own model is never another one's stand-in.
        domain.cpu.model = domain.cpu.model if domain.cpu.model.name else None
    topology = domain.cpu.topology if domain.cpu is not None else None
    if topology is not None:
        topology.dies = topology.dies or 1
        topology.clusters = topology.clusters or 1
    if domain.clock is None:
        domain.clock = Clock()
    domain.on_poweroff = domain.on_poweroff or LifecycleAction.DESTROY
    domain.on_reboot = domain.on_reboot or LifecycleAction.RESTART
    domain.on_crash = domain.on_crash or LifecycleAction.DESTROY
    if domain.cputune is not None:
        threads.tidy(domain.cputune, domain.vcpu.count)
    for device in domain.devices.every():
        complete_device(domain, device)
    _mark_primary_video(domain)
    buses.place(domain)
    buses.add_controllers(domain)
    _sort(domain)
    pair_console(domain)
    for devices in (domain.devices.serials, domain.devices.parallels, domain.devices.consoles):
        for device in devices:
            complete_device(domain, device)
        _number_ports(devices)
    pair_console(domain)
    _complete_boot(domain)


def _is_placed_by_numad(domain: Domain, vcpu: Vcpu) -> bool:
    """Whether processors lie where numad says because the memory does, as nothing says where they lie."""
    memory = domain.numatune.memory if domain.numatune is not None else None
    if memory is None or memory.placement is not Placement.AUTO or vcpu.cpuset is not None:
        return False
    tune = domain.cputune
    return tune is None or not (tune.vcpu_pins or tune.emulator_pin or tune.iothread_pins)


def _random_uuid() -> UUID:
    return UUID(bytes=urandom(16), version=4)


def forget_nodes(domain: Domain) -> None:
    """Images are numbered anew at each start, so a definition that was made from a running domain has no numbers."""
    for disk in domain.devices.disks:
        if disk.source is not None:
            disk.source.index = None
        layer = disk.backing_store
        while layer is not None:
            layer.index = None
            layer = layer.backing_store


def _complete_memory(domain: Domain, renew: bool) -> None:
    """The memory is what the NUMA nodes and memory devices have together, the current memory at most that."""
    cells = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa is not None else []
    if cells and (renew or domain.memory is None):
        total = sum(cell.memory for cell in cells) + sum(device.target.size for device in domain.devices.memories)
        if domain.memory is None:
            domain.memory = Memory(kib=total)
        else:
            domain.memory.kib = total
    if domain.memory is None:
        return
    if domain.current_memory is None or not 0 < domain.current_memory.kib <= domain.memory.kib:
        domain.current_memory = CurrentMemory(kib=domain.memory.kib)


def _number_cells(domain: Domain) -> None:
    """Nodes that are not numbered have the numbers of their places."""
    numa = domain.cpu.numa if domain.cpu is not None else None
    for number, cell in enumerate(numa.cells if numa is not None else ()):
        if cell.id is None:
            cell.id = number
    if numa is not None:
        numa.cells.sort(key=lambda cell: cell.id or 0)


def _complete_placement(domain: Domain) -> None:
    """Memory lies where the processors run: on chosen nodes, or where numad says, which then chooses alone."""
    by_numad = domain.vcpu is not None and domain.vcpu.placement is Placement.AUTO
    if domain.numatune is None and by_numad:
        domain.numatune = NumaTune()
    tune = domain.numatune
    if tune is None:
        return
    if tune.memory is None and by_numad:
        tune.memory = NumaMemory()
    memory = tune.memory
    if memory is None:
        return
    memory.mode = memory.mode or NumaMode.STRICT
    if memory.placement is None and memory.nodeset is None and by_numad:
        memory.placement = Placement.AUTO
    if memory.placement is Placement.AUTO:
        memory.nodeset = None
    else:
        memory.placement = None


def _sort(domain: Domain) -> None:
    """libvirt keeps the disks of a bus in the order of their names, the controllers of a type in that of indices."""
    devices = domain.devices
    given = [*devices.disks, *devices.controllers]
    devices.disks, devices.controllers = [], []
    for device in given:
        insert(domain, device)


UNLIMITED = 2**53 - 1
"""In KiB; a limit that large is none."""


def _complete_limits(domain: Domain) -> None:
    """Limits that limit nothing are none, and a boot menu that is off waits for nobody."""
    for name, value in vars(domain.memtune).items() if domain.memtune is not None else ():
        if value is not None and value >= UNLIMITED:
            setattr(domain.memtune, name, None)
    menu = domain.os.bootmenu if domain.os is not None else None
    if menu is not None and not menu.enable:
        menu.timeout = None


_HOSTS_OWN = (CpuMode.HOST_MODEL, CpuMode.HOST_PASSTHROUGH, CpuMode.MAXIMUM)


def _mark_primary_video(domain: Domain) -> None:
    """The guest starts on its first video card, unless it says otherwise."""
    videos = domain.devices.videos
    if not videos or videos[0].model is None:
        return
    if videos[0].model.type is VideoType.NONE:
        videos[0].model.primary = None
        return
    chosen = next((video for video in videos if video.model is not None and video.model.primary), videos[0])
    videos.remove(chosen)
    videos.insert(0, chosen)
    for video in videos:
        if video.model is not None:
            video.model.primary = True if video is chosen else None


def _is_full_guest(domain: Domain) -> bool:
    return domain.os is not None and domain.os.type.name is OsTypeName.HVM


_CONSOLELESS = (
    SerialTargetType.PCI_SERIAL,
    SerialTargetType.USB_SERIAL,
    SerialTargetType.ISA_DEBUG,
)
"""Serial ports that libvirt takes for no console."""


def pair_console(domain: Domain) -> None:
    """A full guest's first console is its first serial port: each makes the other, and the console repeats the port.

    Other consoles come after it. To be called again when the port's source, alias or address has changed.
    """
    if not _is_full_guest(domain):
        return
    serials, consoles = domain.devices.serials, domain.devices.consoles
    if consoles and _is_serial(consoles[0]) and not serials:
        serials.append(Serial(target=SerialTarget(port=0), **_stream(consoles[0])))
    if not serials:
        return
    target = serials[0].target.type if serials[0].target is not None else None
    if not consoles or not _is_serial(consoles[0]):
        if target in _CONSOLELESS:
            return
        stub = ConsoleTarget(type=ConsoleTargetType.SERIAL, port=0)
        consoles.insert(0, Console(type=serials[0].type, target=stub))
        vars(consoles[0]).update(_stream(serials[0]))
        for number, console in enumerate(consoles):
            if console.target is not None:
                console.target.port = number
    elif target not in _CONSOLELESS:
        vars(consoles[0]).update(_stream(serials[0]))
        if consoles[0].target is not None and serials[0].target is not None:
            consoles[0].target.port = serials[0].target.port


def _stream(device: CharDevice) -> dict[str, Any]:
    """What a console and its serial port have in common."""
    names = ("type", "sources", "protocol", "log", "alias", "acpi", "address")
    twin = device.copy()
    return {name: getattr(twin, name) for name in names}


def _is_serial(console: Console) -> bool:
    return console.target is None or console.target.type in (None, ConsoleTargetType.SERIAL)


def _number_ports(devices: list[Any]) -> None:
    """Ports that are not numbered get the numbers after the largest."""
    largest = max((device.target.port for device in devices if device.target.port is not None), default=-1)
    for device in devices:
        if device.target.port is None:
            largest += 1
            device.target.port = largest


def _complete_boot(domain: Domain) -> None:
    """A full guest of which nothing is said boots from its hard disk."""
    if domain.os is None or not _is_full_guest(domain) or domain.os.boots:
        return
    if all(getattr(device, "boot", None) is None for device in domain.devices.every()):
        domain.os.boots = [BootDevice.HD]
