"""What libvirt's QEMU driver fills into a definition, besides what is filled in for every hypervisor.

Everything here is a rule for x86 guests; each function adds only what is missing, so that
completing a complete definition changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from virtbus.domain.boot import Firmware as FirmwareKind
from virtbus.domain.boot import Loader, LoaderType, Nvram, Os, OsType, OsTypeName
from virtbus.domain.chardev import Channel, CharMode, CharSource, CharType, Serial, SerialTargetModel, SerialTargetType
from virtbus.domain.cpu import Cpu, CpuCheck, CpuFallback, CpuMatch, CpuMode, CpuModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus, DiskDriver
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.input import Input, InputBus, InputType
from virtbus.domain.interface import Interface, InterfaceModel
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.sound import Audio, AudioType
from virtbus.domain.storage import ImageFormat
from virtbus.domain.video import Video, VideoModel, VideoType
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog, WatchdogAction, WatchdogModel
from virtbus.errors import ConfigUnsupported, XmlDetail
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import platform_of
from virtbus_qemu.probing.descriptors import Descriptor
from virtbus_qemu.settings import QemuSettings

#: A video card's memory in KiB where none is said (libvirt: virDomainVideoDefaultRAM).
_VIDEO_MEMORY = {
    VideoType.VGA: {"vram": 16384},
    VideoType.CIRRUS: {"vram": 16384},
    VideoType.BOCHS: {"vram": 16384},
    VideoType.VMVGA: {"vram": 16384},
    VideoType.QXL: {"ram": 65536, "vram": 65536, "vgamem": 16384},
}


def fill_machine(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Fill in emulator, machine type, firmware and processor.

    :raise ConfigUnsupported: QEMU has no such machine, accelerator or firmware.
    """
    if domain.type not in (DomainType.QEMU, DomainType.KVM):
        raise _unsupported(domain, f"domains of type {domain.type} are not QEMU's", "/domain/@type")
    if domain.type is DomainType.KVM and not capabilities.kvm_usable:
        raise _unsupported(domain, "this host cannot use KVM", "/domain/@type", "use type='qemu', or load the module")
    os = domain.os = domain.os or Os(type=OsType(name=OsTypeName.HVM))
    kind = os.type
    if kind.name is not OsTypeName.HVM:
        raise _unsupported(domain, f"QEMU has no guests of type {kind.name}", "/domain/os/type")
    kind.arch = kind.arch or capabilities.arch
    if kind.arch != capabilities.arch:
        raise _unsupported(domain, f"{capabilities.emulator} has no {kind.arch} guests", "/domain/os/type/@arch")
    kind.machine = capabilities.machine(kind.machine).name
    domain.devices.emulator = domain.devices.emulator or str(settings.emulator)
    _fill_firmware(domain, os, capabilities, settings)
    _fill_processor(domain, capabilities)
    if domain.memory is None:
        raise XmlDetail("the definition says no memory", domain=domain.name, evidence={"path": "/domain/memory"})


def _fill_processor(domain: Domain, capabilities: Capabilities) -> None:
    cpu = domain.cpu = domain.cpu or Cpu()
    if cpu.mode is None:
        cpu.mode = CpuMode.CUSTOM
    cpu.check = cpu.check or (CpuCheck.PARTIAL if cpu.mode is CpuMode.HOST_MODEL or cpu.model else CpuCheck.NONE)
    if cpu.mode is CpuMode.CUSTOM:
        cpu.match = cpu.match or CpuMatch.EXACT
        if cpu.model is None:
            machine = capabilities.machine(domain.os.type.machine if domain.os else None)
            cpu.model = CpuModel(fallback=CpuFallback.FORBID, name=capabilities.default_cpu(machine))
        cpu.model.fallback = cpu.model.fallback or CpuFallback.ALLOW


def _fill_firmware(domain: Domain, os: Os, capabilities: Capabilities, settings: QemuSettings) -> None:
    if os.firmware is FirmwareKind.EFI and (os.loader is None or os.loader.path is None):
        image = _choose(domain, os, capabilities)
        os.loader = Loader(readonly=True, type=LoaderType.PFLASH, path=image.code.filename)
        if image.variables is not None and os.nvram is None:
            os.nvram = Nvram(template=image.variables.filename)
    loader = os.loader
    if loader is not None and loader.type is LoaderType.PFLASH and loader.readonly and not loader.stateless:
        os.nvram = os.nvram or Nvram()
        if os.nvram.path is None and os.nvram.source is None:
            os.nvram.path = str(settings.nvram / f"{domain.name}_VARS.fd")


def _choose(domain: Domain, os: Os, capabilities: Capabilities) -> Descriptor:
    wanted = {
        feature.name.value: feature.enabled for feature in (os.firmware_choice.features if os.firmware_choice else ())
    }
    for image in capabilities.firmware:
        fits = "uefi" in image.interfaces and image.device == "flash"
        fits = fits and image.boots(os.type.arch or "", os.type.machine or "")
        if fits and all((name in image.features) is enabled for name, enabled in wanted.items()):
            return image
    raise _unsupported(
        domain, "no UEFI image of this host fits", "/domain/os/@firmware", "install one (Debian: apt install ovmf)"
    )


def fill_devices(domain: Domain) -> None:
    """Fill in what the devices leave open, and add those that every x86 guest has."""
    devices = domain.devices
    _add_inputs(domain)
    if devices.graphics and not devices.videos:
        devices.videos.append(Video(model=VideoModel(type=VideoType.CIRRUS)))
    if not devices.audios:
        devices.audios.append(Audio(id=1, type=AudioType.NONE))
    if devices.memballoon is None:
        devices.memballoon = Memballoon(model=MemballoonModel.VIRTIO)
    if platform_of(domain).express and not any(dog.model is WatchdogModel.ITCO for dog in devices.watchdogs):
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
    disk.target.bus = disk.target.bus or DiskBus.IDE
    disk.driver = disk.driver or DiskDriver()
    disk.driver.name = disk.driver.name or "qemu"
    disk.driver.type = disk.driver.type or ImageFormat.RAW


def _fill_interface(interface: Interface) -> None:
    interface.model = interface.model or InterfaceModel(type="rtl8139")


def _fill_video(video: Video) -> None:
    model = video.model = video.model or VideoModel()
    if model.type is VideoType.DEFAULT:
        model.type = VideoType.CIRRUS
    for name, kib in _VIDEO_MEMORY.get(model.type, {}).items():
        if getattr(model, name) is None:
            setattr(model, name, kib)
    if model.type is not VideoType.NONE:
        model.heads = model.heads or 1


def _fill_serial(serial: Serial) -> None:
    target = serial.target
    if target is None:
        return
    target.type = target.type or SerialTargetType.ISA_SERIAL
    if target.model is None and target.type is SerialTargetType.ISA_SERIAL:
        target.model = SerialTargetModel.ISA_SERIAL


def _fill_channel(channel: Channel) -> None:
    if channel.type is CharType.UNIX and not channel.sources:
        channel.sources = [CharSource(mode=CharMode.BIND)]


def _fill_panic(panic: Panic) -> None:
    panic.model = panic.model or PanicModel.ISA


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
    Serial: _fill_serial,
    Channel: _fill_channel,
    Panic: _fill_panic,
}
"""What a kind of device leaves open, and how it is filled in."""
