"""What libvirt's QEMU driver adds to the devices of a definition, and fills into each of them.

add_devices(domain, capabilities, settings)     # those that every guest of the machine has
fill_device(domain, device, capabilities)       # what one leaves open

Each function adds only what is missing, so that completing a complete definition changes nothing. Controllers are
`controllers`' matter, addresses that of `places` and `pci`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from virtbus.domain.chardev import (
    Channel,
    ChannelTargetType,
    CharSource,
    CharType,
    Serial,
    SerialTargetModel,
    SerialTargetType,
)
from virtbus.domain.device import Device
from virtbus.domain.devicedefaults import default_audio
from virtbus.domain.disk import Disk, DiskBus, DiskDriver
from virtbus.domain.domain import Domain
from virtbus.domain.filesystem import AccessMode, Filesystem
from virtbus.domain.graphics import FREE_PORT, Graphics, GraphicsType, ListenType
from virtbus.domain.input import Input, InputBus, InputType
from virtbus.domain.interface import Interface, InterfaceModel, InterfaceType
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.shmem import Shmem, ShmemModel, ShmemMsi
from virtbus.domain.sound import Audio, AudioType, Sound, SoundModel
from virtbus.domain.storage import ImageFormat, StorageType
from virtbus.domain.tpm import Tpm, TpmBackendType, TpmModel, TpmVersion
from virtbus.domain.video import Video, VideoModel, VideoType
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog, WatchdogAction, WatchdogModel
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import ARM, Board, Platform, platform_of
from virtbus_qemu.settings import QemuSettings

_BALLOONLESS = ARM | {"sparc"}
"""Architectures whose guests get no balloon unless they ask for one."""


def add_devices(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Add the devices that every guest of its machine has: inputs, balloon, watchdog, panic device, video, audio."""
    devices, platform = domain.devices, platform_of(domain)
    for kind, bus in _inputs(domain, platform):
        if not any(each.type is kind and each.bus in (bus, None) for each in devices.inputs):
            devices.inputs.append(Input(type=kind, bus=bus))
    if devices.graphics and not devices.videos:
        devices.videos.append(Video(model=VideoModel(type=_video(platform, capabilities))))
    audio = _audio(domain, settings)
    if audio is not None:
        devices.audios.append(audio)
    if devices.memballoon is None and platform.arch not in _BALLOONLESS:
        devices.memballoon = Memballoon(model=MemballoonModel.VIRTIO)
    if platform.board is Board.Q35 and not any(dog.model is WatchdogModel.ITCO for dog in devices.watchdogs):
        # QEMU has one action for all.
        action = devices.watchdogs[0].action if devices.watchdogs else WatchdogAction.RESET
        devices.watchdogs.append(Watchdog(model=WatchdogModel.ITCO, action=action))
    own = _FIRMWARE_PANICS.get(platform.board)
    if own is not None and not any(panic.model in (None, own) for panic in devices.panics):
        devices.panics.append(Panic(model=own))


_AUDIO_NAMES = {"pa": "pulseaudio"}
"""QEMU's names of what plays sound, where libvirt has others."""


def _audio(domain: Domain, settings: QemuSettings) -> Audio | None:
    """The backend of a guest that names none: the host's sound where a window or the administrator lets it."""
    display, kinds = settings.display, {each.type for each in domain.devices.graphics}
    hosts_own = (
        GraphicsType.SDL in kinds
        or (GraphicsType.VNC in kinds and display.host_audio_with_vnc)
        or (not kinds and display.host_audio_without_graphics)
    )
    if domain.devices.audios or not hosts_own:
        return default_audio(domain)
    if display.host_audio is None:
        return None
    kind = AudioType(_AUDIO_NAMES.get(display.host_audio, display.host_audio))
    return Audio(id=1, type=kind, driver=display.host_sdl_driver if kind is AudioType.SDL else None)


def _inputs(domain: Domain, platform: Platform) -> list[tuple[InputType, InputBus]]:
    """The inputs that a machine has: those of a PC's keyboard controller; POWER guests with a screen have USB ones."""
    if platform.is_x86:
        switch = domain.features.ps2 if domain.features is not None else None
        without = switch is not None and switch.state is False
        return [] if without else [(InputType.MOUSE, InputBus.PS2), (InputType.KEYBOARD, InputBus.PS2)]
    if platform.is_power64 and domain.devices.graphics:
        return [(InputType.KEYBOARD, InputBus.USB), (InputType.MOUSE, InputBus.USB)]
    return []


_FIRMWARE_PANICS = {Board.PSERIES: PanicModel.PSERIES, Board.S390_CCW: PanicModel.S390}
"""Machines whose firmware tells of a crash, asked or not."""


def fill_devices(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Fill in what the devices leave open; the first video card is the primary one."""
    for device in domain.devices.every():
        fill_device(domain, device, capabilities)
    pstore = domain.devices.pstore
    if pstore is not None and pstore.path is None:
        pstore.path = str(settings.nvram / f"{domain.name}_PSTORE.raw")
    videos = [video.model for video in domain.devices.videos if video.model is not None]
    if videos and videos[0].type is not VideoType.NONE and not any(model.primary for model in videos):
        videos[0].primary = True


def forget_start(domain: Domain, settings: QemuSettings) -> None:
    """Take out of a definition the sockets that an earlier start named: the next one names its own."""
    for channel in domain.devices.channels:
        _forget_generated_path(channel, settings)
    for graphics in domain.devices.graphics:
        _forget_generated_socket(graphics, settings)


def fill_device(domain: Domain, device: Device, capabilities: Capabilities) -> None:
    """Fill in what one device leaves open.

    :raise ConfigUnsupported: its machine has no default of a model.
    """
    fill = _FILL.get(type(device))
    if fill is not None:
        fill(device, domain, platform_of(domain), capabilities)


def _fill_disk(disk: Disk, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    disk.target.bus = disk.target.bus or DiskBus.IDE
    disk.driver = disk.driver or DiskDriver()
    disk.driver.name = disk.driver.name or "qemu"
    if disk.driver.type is None and disk.type is not StorageType.VOLUME:
        disk.driver.type = ImageFormat.FAT if disk.type is StorageType.DIR else ImageFormat.RAW


_VIRTIO_ONLY = (InterfaceType.VDPA, InterfaceType.VHOST_USER)
"""Interfaces that only a virtio card can use."""

_CARDS = (("rtl8139", "rtl8139"), ("e1000", "e1000"), ("virtio-net", "virtio"))
"""The default cards of most machines with the flags that tell of them; the one that most guests know comes first."""


def _fill_interface(interface: Interface, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    if interface.model is not None or interface.type is InterfaceType.HOSTDEV:
        return
    card = "virtio" if interface.type in _VIRTIO_ONLY else _card(platform, capabilities)
    if card is not None:
        interface.model = InterfaceModel(type=card)


def _card(platform: Platform, capabilities: Capabilities) -> str | None:
    if platform.is_s390 or platform.is_virt:
        return "virtio"
    if platform.is_arm:
        return "smc91c111" if platform.board is Board.VERSATILE else "lan9118"
    return next((card for flag, card in _CARDS if capabilities.has(flag)), None)


def _video(platform: Platform, capabilities: Capabilities) -> VideoType:
    """The video card of a machine."""
    if platform.is_power64:
        return VideoType.VGA
    if platform.is_s390 or platform.is_virt:
        return VideoType.VIRTIO
    if capabilities.has("cirrus-vga"):
        return VideoType.CIRRUS
    return VideoType.VGA if capabilities.has("VGA") else VideoType.DEFAULT


_VIDEO_MEMORY = {
    VideoType.VGA: {"vram": 16384},
    VideoType.CIRRUS: {"vram": 16384},
    VideoType.BOCHS: {"vram": 16384},
    VideoType.VMVGA: {"vram": 16384},
    VideoType.QXL: {"ram": 65536, "vram": 65536, "vgamem": 16384},
}
"""A video card's memory in KiB where none is said (libvirt: virDomainVideoDefaultRAM)."""


def _fill_video(video: Video, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    model = video.model = video.model or VideoModel()
    if model.type is VideoType.DEFAULT:
        model.type = _video(platform, capabilities)
    for name, kib in _VIDEO_MEMORY.get(model.type, {}).items():
        setattr(model, name, getattr(model, name) or kib)
    for name in ("ram", "vram"):
        if getattr(model, name):
            setattr(model, name, _power_of_two(getattr(model, name)))
    if model.type is not VideoType.NONE:
        model.heads = model.heads or 1


def _power_of_two(number: int) -> int:
    """The next power of two that is not below a number."""
    return 1 << (number - 1).bit_length()


_SERIAL_MODELS = {
    SerialTargetType.ISA_SERIAL: SerialTargetModel.ISA_SERIAL,
    SerialTargetType.USB_SERIAL: SerialTargetModel.USB_SERIAL,
    SerialTargetType.PCI_SERIAL: SerialTargetModel.PCI_SERIAL,
    SerialTargetType.SPAPR_VIO_SERIAL: SerialTargetModel.SPAPR_VTY,
    SerialTargetType.SCLP_SERIAL: SerialTargetModel.SCLPCONSOLE,
    SerialTargetType.ISA_DEBUG: SerialTargetModel.ISA_DEBUGCON,
}


def _fill_serial(serial: Serial, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    target = serial.target
    if target is None:
        return
    if target.type in (None, SerialTargetType.ISA_SERIAL):
        # What was the default before machines had their own is still taken for it.
        target.type = _serial_type(platform)
    if target.model is None and target.type is SerialTargetType.SYSTEM_SERIAL:
        target.model = SerialTargetModel.PL011 if platform.is_arm else SerialTargetModel.UART_16550A
    elif target.model is None and target.type is not None:
        target.model = _SERIAL_MODELS[target.type]


def _serial_type(platform: Platform) -> SerialTargetType | None:
    if platform.is_x86:
        return SerialTargetType.ISA_SERIAL
    if platform.board is Board.PSERIES:
        return SerialTargetType.SPAPR_VIO_SERIAL
    if platform.is_virt:
        return SerialTargetType.SYSTEM_SERIAL
    return SerialTargetType.SCLP_SERIAL if platform.is_s390 else None


def _forget_generated_path(channel: Channel, settings: QemuSettings) -> None:
    """A socket that an earlier start named is named anew at the next one."""
    target, source = channel.target, channel.source
    if channel.type is not CharType.UNIX or source is None or source.path is None:
        return
    if target is None or target.type is not ChannelTargetType.VIRTIO or target.name is None:
        return
    folders = (settings.channels, settings.library / "channel")
    choice, name = "|".join(re.escape(str(folder)) for folder in folders if folder), re.escape(target.name)
    if re.search(rf"^({choice})/(target/)?([^/]+\.|domain-[^/]+/|[0-9]+-[^/]+/){name}$", source.path):
        source.path = source.mode = None
        if not any(vars(source).values()):
            channel.sources.remove(source)


def _forget_generated_socket(graphics: Graphics, settings: QemuSettings) -> None:
    """A VNC socket that an earlier start made in the domain's folder is none that the definition asks for."""
    for listen in graphics.listens if graphics.type is GraphicsType.VNC else ():
        if listen.type is not ListenType.SOCKET or listen.socket is None or listen.auto_generated:
            continue
        if listen.socket.startswith(str(settings.library)):
            listen.type, listen.socket, graphics.socket = ListenType.ADDRESS, None, None
            graphics.port, graphics.autoport = FREE_PORT.get(graphics.type, -1), True


def _fill_filesystem(filesystem: Filesystem, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    served = filesystem.source is not None and filesystem.source.socket is not None
    if filesystem.accessmode is None and not served:
        filesystem.accessmode = AccessMode.PASSTHROUGH


def _fill_redirdev(redirdev: Redirdev, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    if redirdev.type is CharType.DBUS and not any(source.channel for source in redirdev.sources):
        redirdev.sources = [CharSource(channel="org.qemu.usbredir")]


def _fill_memory(memory: MemoryDevice, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    if memory.model is MemoryModel.NVDIMM and platform.is_power64 and memory.uuid is None:
        # The firmware of POWER guests knows a module by it.
        memory.uuid = uuid4()


def _fill_panic(panic: Panic, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    panic.model = panic.model or _FIRMWARE_PANICS.get(platform.board) or _panic(platform)
    if panic.model is None:
        raise ConfigUnsupported(
            "no panic model provided, and no default for the architecture and machine type",
            domain=domain.name,
            evidence={"path": "/domain/devices/panic/@model"},
        )


def _panic(platform: Platform) -> PanicModel | None:
    if platform.is_x86:
        return PanicModel.ISA
    return PanicModel.PVPANIC if platform.board is Board.ARM_VIRT else None


def _fill_tpm(tpm: Tpm, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    if tpm.model is None and platform.is_power64:
        passed = tpm.backend.type is TpmBackendType.PASSTHROUGH
        tpm.model = TpmModel.SPAPR_TPM_PROXY if passed else TpmModel.TPM_SPAPR
    tpm.model = tpm.model or TpmModel.TPM_TIS
    if tpm.backend.type is TpmBackendType.EMULATOR and tpm.backend.version is None:
        old = tpm.model is TpmModel.TPM_TIS and platform.is_x86
        tpm.backend.version = TpmVersion.V1_2 if old else TpmVersion.V2_0


def _fill_sound(sound: Sound, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    if sound.model is SoundModel.VIRTIO:
        sound.streams = sound.streams or _SOUND_STREAMS


_SOUND_STREAMS = 2
"""Of a virtio card: one to play, one to record (QEMU's default)."""


def _fill_shmem(shmem: Shmem, domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    shmem.model = shmem.model or ShmemModel.IVSHMEM
    if shmem.model is not ShmemModel.IVSHMEM_DOORBELL:
        shmem.size = shmem.size or 4
    if shmem.model is ShmemModel.IVSHMEM:
        return
    doorbell = shmem.model is ShmemModel.IVSHMEM_DOORBELL
    for wrong, words in (
        (shmem.server is None and doorbell, "is supported only with server option enabled"),
        (shmem.server is not None and not doorbell, "is supported only with server option disabled"),
        (shmem.server is not None and shmem.size, "does not support size setting"),
    ):
        if wrong:
            raise ConfigUnsupported(
                f"shmem model '{shmem.model}' {words}",
                domain=domain.name,
                evidence={"path": "/domain/devices/shmem"},
            )
    if shmem.server is not None:
        shmem.msi = shmem.msi or ShmemMsi()
        shmem.msi.ioeventfd = True if shmem.msi.ioeventfd is None else shmem.msi.ioeventfd


_FILL: dict[type[Device], Callable[[Any, Domain, Platform, Capabilities], None]] = {
    Disk: _fill_disk,
    Interface: _fill_interface,
    Video: _fill_video,
    Serial: _fill_serial,
    Panic: _fill_panic,
    Tpm: _fill_tpm,
    Shmem: _fill_shmem,
    Sound: _fill_sound,
    Filesystem: _fill_filesystem,
    MemoryDevice: _fill_memory,
    Redirdev: _fill_redirdev,
}
"""What a kind of device leaves open, and how it is filled in."""
