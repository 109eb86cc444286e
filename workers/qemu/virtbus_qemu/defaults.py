"""What libvirt fills into a definition that does not say it, but for controllers and addresses.

Everything here is a rule of libvirt's QEMU driver for x86 guests; each function adds only what is missing, so that
completing a complete definition changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from virtbus.domain.boot import BootDevice, Loader, LoaderType, Nvram, Os, OsType, OsTypeName
from virtbus.domain.boot import Firmware as FirmwareKind
from virtbus.domain.chardev import (
    Channel,
    CharMode,
    CharSource,
    CharType,
    Console,
    ConsoleTarget,
    ConsoleTargetType,
    Serial,
    SerialTarget,
    SerialTargetModel,
    SerialTargetType,
)
from virtbus.domain.clock import Clock, ClockOffset
from virtbus.domain.cpu import Cpu, CpuCheck, CpuFallback, CpuMatch, CpuMode, CpuModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus, DiskDevice, DiskDriver
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.graphics import Graphics, GraphicsType, Listen, ListenType
from virtbus.domain.input import Input, InputBus, InputType
from virtbus.domain.interface import Interface, InterfaceModel, Mac
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memory import CurrentMemory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.sound import Audio, AudioType
from virtbus.domain.storage import ImageFormat
from virtbus.domain.tuning import Vcpu
from virtbus.domain.video import Video, VideoModel, VideoType
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog, WatchdogAction, WatchdogModel
from virtbus.errors import ConfigUnsupported, XmlDetail
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.chipset import chipset_of
from virtbus_qemu.firmware import Firmware
from virtbus_qemu.settings import QemuSettings

#: The bus that a disk's name implies.
_BUS_OF_NAME = {"fd": DiskBus.FDC, "hd": DiskBus.IDE, "sd": DiskBus.SCSI, "vd": DiskBus.VIRTIO, "xvd": DiskBus.XEN}

#: A video card's memory in KiB where none is said (libvirt: virDomainVideoDefaultRAM).
_VIDEO_MEMORY = {
    VideoType.VGA: {"vram": 16384},
    VideoType.CIRRUS: {"vram": 16384},
    VideoType.BOCHS: {"vram": 16384},
    VideoType.VMVGA: {"vram": 16384},
    VideoType.QXL: {"ram": 65536, "vram": 65536, "vgamem": 16384},
}


def fill_machine(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Fill in emulator, machine type, firmware, processor, memory, clock and what happens at the guest's end.

    :raise ConfigUnsupported: QEMU has no such machine, accelerator or firmware.
    """
    if domain.type not in (DomainType.QEMU, DomainType.KVM):
        raise _unsupported(domain, f"domains of type {domain.type} are not QEMU's", "/domain/@type")
    if domain.type is DomainType.KVM and not capabilities.kvm_usable:
        raise _unsupported(domain, "this host cannot use KVM", "/domain/@type", "use type='qemu', or load the module")
    if domain.os is None:
        domain.os = Os(type=OsType(name=OsTypeName.HVM))
    kind = domain.os.type
    if kind.name is not OsTypeName.HVM:
        raise _unsupported(domain, f"QEMU has no guests of type {kind.name}", "/domain/os/type")
    kind.arch = kind.arch or capabilities.arch
    if kind.arch != capabilities.arch:
        raise _unsupported(domain, f"{capabilities.emulator} has no {kind.arch} guests", "/domain/os/type/@arch")
    kind.machine = capabilities.machine(kind.machine).name
    if not domain.os.boots and not any(getattr(device, "boot", None) for device in domain.devices.every()):
        domain.os.boots = [BootDevice.HD]
    domain.devices.emulator = domain.devices.emulator or str(settings.emulator)
    _fill_firmware(domain, domain.os, capabilities, settings)
    _fill_processor(domain, capabilities)
    if domain.memory is None:
        raise XmlDetail("the definition says no memory", domain=domain.name, evidence={"path": "/domain/memory"})
    domain.current_memory = domain.current_memory or CurrentMemory(kib=domain.memory.kib)
    domain.clock = domain.clock or Clock(offset=ClockOffset.UTC)
    domain.on_poweroff = domain.on_poweroff or LifecycleAction.DESTROY
    domain.on_reboot = domain.on_reboot or LifecycleAction.RESTART
    domain.on_crash = domain.on_crash or LifecycleAction.DESTROY


def _fill_processor(domain: Domain, capabilities: Capabilities) -> None:
    domain.vcpu = domain.vcpu or Vcpu(count=1)
    cpu = domain.cpu = domain.cpu or Cpu()
    if cpu.mode is None:
        cpu.mode = CpuMode.CUSTOM
    cpu.check = cpu.check or (CpuCheck.PARTIAL if cpu.mode is CpuMode.HOST_MODEL or cpu.model else CpuCheck.NONE)
    if cpu.mode is CpuMode.CUSTOM:
        cpu.match = cpu.match or CpuMatch.EXACT
        if cpu.model is None:
            machine = capabilities.machine(domain.os.type.machine if domain.os else None)
            cpu.model = CpuModel(fallback=CpuFallback.FORBID, name=machine.default_cpu)
        cpu.model.fallback = cpu.model.fallback or CpuFallback.ALLOW


def _fill_firmware(domain: Domain, os: Os, capabilities: Capabilities, settings: QemuSettings) -> None:
    if os.firmware is FirmwareKind.EFI and (os.loader is None or os.loader.path is None):
        image = _choose(domain, os, capabilities)
        os.loader = Loader(readonly=True, type=LoaderType.PFLASH, path=image.code)
        if image.template is not None and os.nvram is None:
            os.nvram = Nvram(template=image.template)
    loader = os.loader
    if loader is not None and loader.type is LoaderType.PFLASH and loader.readonly and not loader.stateless:
        os.nvram = os.nvram or Nvram()
        if os.nvram.path is None and os.nvram.source is None:
            os.nvram.path = str(settings.nvram / f"{domain.name}_VARS.fd")


def _choose(domain: Domain, os: Os, capabilities: Capabilities) -> Firmware:
    wanted = {
        feature.name.value: feature.enabled for feature in (os.firmware_choice.features if os.firmware_choice else ())
    }
    for image in capabilities.firmware:
        fits = any(
            arch == os.type.arch and _fits_pattern(os.type.machine or "", pattern) for arch, pattern in image.machines
        )
        if fits and all((name in image.features) is enabled for name, enabled in wanted.items()):
            return image
    raise _unsupported(
        domain, "no UEFI image of this host fits", "/domain/os/@firmware", "install one (Debian: apt install ovmf)"
    )


def _fits_pattern(machine: str, pattern: str) -> bool:
    return machine.startswith(pattern[:-1]) if pattern.endswith("*") else machine == pattern


def fill_devices(domain: Domain) -> None:
    """Fill in what the devices leave open, and add those that every x86 guest has."""
    devices = domain.devices
    _pair_consoles(domain)
    _add_inputs(domain)
    if devices.graphics and not devices.videos:
        devices.videos.append(Video(model=VideoModel(type=VideoType.CIRRUS)))
    if not devices.audios:
        devices.audios.append(Audio(id=1, type=AudioType.NONE))
    if devices.memballoon is None:
        devices.memballoon = Memballoon(model=MemballoonModel.VIRTIO)
    if chipset_of(domain).express and not any(dog.model is WatchdogModel.ITCO for dog in devices.watchdogs):
        devices.watchdogs.append(Watchdog(model=WatchdogModel.ITCO, action=WatchdogAction.RESET))
    for device in devices.every():
        fill_device(device)
    for number, video in enumerate(devices.videos):
        if video.model is not None and number == 0:
            video.model.primary = True


def fill_device(device: Device) -> None:
    """Fill in what one device leaves open."""
    for kind, fill in _FILL.items():
        if isinstance(device, kind):
            fill(device)


def _fill_disk(disk: Disk) -> None:
    if disk.target.bus is None:
        name = disk.target.dev.rstrip("0123456789")
        disk.target.bus = next((bus for prefix, bus in _BUS_OF_NAME.items() if name.startswith(prefix)), DiskBus.IDE)
    disk.driver = disk.driver or DiskDriver()
    disk.driver.name = disk.driver.name or "qemu"
    disk.driver.type = disk.driver.type or ImageFormat.RAW
    if disk.device is DiskDevice.CDROM:
        disk.readonly = True


def _fill_interface(interface: Interface) -> None:
    interface.mac = interface.mac or Mac(address=_random_mac())
    interface.model = interface.model or InterfaceModel(type="rtl8139")


def _random_mac() -> str:
    # 52:54:00 is the prefix that QEMU guests use by custom.
    return ":".join(["52:54:00", *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


def _fill_video(video: Video) -> None:
    model = video.model = video.model or VideoModel()
    if model.type is VideoType.DEFAULT:
        model.type = VideoType.CIRRUS
    for name, kib in _VIDEO_MEMORY.get(model.type, {}).items():
        if getattr(model, name) is None:
            setattr(model, name, kib)
    if model.type is not VideoType.NONE:
        model.heads = model.heads or 1


def _fill_graphics(graphics: Graphics) -> None:
    if graphics.type is not GraphicsType.VNC:
        return
    if not graphics.listens:
        listen = Listen(type=ListenType.SOCKET, socket=graphics.socket) if graphics.socket else None
        graphics.listens = [listen or Listen(type=ListenType.ADDRESS, address=graphics.listen)]
    if graphics.listens[0].type is ListenType.ADDRESS:
        if graphics.port is None or graphics.port == -1:
            graphics.port, graphics.autoport = -1, True
        elif graphics.autoport is None:
            graphics.autoport = False


def _fill_serial(serial: Serial) -> None:
    target = serial.target = serial.target or SerialTarget()
    target.type = target.type or SerialTargetType.ISA_SERIAL
    if target.model is None and target.type is SerialTargetType.ISA_SERIAL:
        target.model = SerialTargetModel.ISA_SERIAL


def _fill_channel(channel: Channel) -> None:
    if channel.type is CharType.UNIX and not channel.sources:
        channel.sources = [CharSource(mode=CharMode.BIND)]


def _fill_input(device: Input) -> None:
    if device.bus is None:
        device.bus = InputBus.USB if device.type is InputType.TABLET else InputBus.PS2


def _fill_panic(panic: Panic) -> None:
    panic.model = panic.model or PanicModel.ISA


def _pair_consoles(domain: Domain) -> None:
    """The first console of a full guest is its first serial port: each is made of the other."""
    devices = domain.devices
    for number, serial in enumerate(devices.serials):
        _fill_serial(serial)
        if serial.target is not None and serial.target.port is None:
            serial.target.port = number
    first = devices.consoles[0] if devices.consoles else None
    if first is not None and first.target is None:
        first.target = ConsoleTarget()
    for number, console in enumerate(devices.consoles):
        console.target = console.target or ConsoleTarget()
        console.target.type = console.target.type or ConsoleTargetType.SERIAL
        console.target.port = number if console.target.port is None else console.target.port
    if devices.serials and first is None:
        devices.consoles.append(_console_of(devices.serials[0]))
    elif first is not None and first.target and first.target.type is ConsoleTargetType.SERIAL and not devices.serials:
        serial = Serial(
            type=first.type, sources=[source.copy() for source in first.sources], protocol=first.protocol,
            log=first.log, target=SerialTarget(port=0),
        )  # fmt: skip
        _fill_serial(serial)
        devices.serials.append(serial)


def _console_of(serial: Serial) -> Console:
    return Console(
        type=serial.type,
        sources=[source.copy() for source in serial.sources],
        protocol=serial.protocol,
        log=serial.log.copy() if serial.log else None,
        target=ConsoleTarget(type=ConsoleTargetType.SERIAL, port=0),
    )


def _add_inputs(domain: Domain) -> None:
    for kind in (InputType.MOUSE, InputType.KEYBOARD):
        if not any(each.type is kind and each.bus in (InputBus.PS2, None) for each in domain.devices.inputs):
            domain.devices.inputs.append(Input(type=kind, bus=InputBus.PS2))


def _unsupported(domain: Domain, message: str, path: str, hint: str | None = None) -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=domain.name, hint=hint, evidence={"path": path})


_FILL: dict[type[Device], Callable[..., None]] = {
    Disk: _fill_disk,
    Interface: _fill_interface,
    Video: _fill_video,
    Graphics: _fill_graphics,
    Serial: _fill_serial,
    Channel: _fill_channel,
    Input: _fill_input,
    Panic: _fill_panic,
}
"""What a kind of device leaves open, and how it is filled in."""
