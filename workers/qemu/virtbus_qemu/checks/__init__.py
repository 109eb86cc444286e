"""What this QEMU cannot run, as a table of checks in libvirt's order and words.

They follow the checks that hold for every hypervisor (`virtbus.domain.checks`), and expect a complete domain with all
addresses. What libvirt finds out only when it makes a command line is in `check_start`, and what the builder
of a kind of device refuses is said there alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.chardev import Channel, Console, Parallel, Serial
from virtbus.domain.checks.problem import Problems, places
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
from virtbus.domain.nvram import Nvram
from virtbus.domain.pstore import Pstore
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.shmem import Shmem
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.smartcard import Smartcard
from virtbus.domain.sound import Sound
from virtbus.domain.tpm import Tpm
from virtbus.domain.video import Video
from virtbus.domain.watchdog import Panic, Watchdog
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.checks import (
    controllers,
    disks,
    displays,
    hostdevs,
    hyperv,
    interfaces,
    machine,
    memory,
    processor,
    sharing,
    smalldevices,
    streams,
)
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.settings import QemuSettings

__all__ = ["check", "check_start"]

Check = Callable[[Scene, str, Any], Problems]


def check(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Refuse a complete domain that this QEMU cannot run.

    :raise ConfigUnsupported: in libvirt's words; `evidence["path"]` says where.
    """
    _refuse_first(Scene(domain, capabilities, settings), DOMAIN, DEVICES)


def check_start(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Refuse what shows only when a command line is made, for then it may depend on the host of the start.

    :raise ConfigUnsupported: as for `check`.
    """
    _refuse_first(Scene(domain, capabilities, settings), START, START_DEVICES)


def _refuse_first(
    scene: Scene, checks: tuple[Callable[[Scene], Problems], ...], tables: tuple[tuple[type[Device], Check], ...]
) -> None:
    for problem in _all(scene, checks, tables):
        raise problem.at(domain=scene.domain.name or None)


def _all(
    scene: Scene, checks: tuple[Callable[[Scene], Problems], ...], tables: tuple[tuple[type[Device], Check], ...]
) -> Problems:
    for of_domain in checks:
        yield from of_domain(scene)
    present: dict[type[Device], list[tuple[str, Device]]] = {}
    for path, device in places(scene.domain):
        present.setdefault(_kind(device), []).append((path, device))
    for kind, of_device in tables:
        for path, device in present.get(kind, ()):
            yield from of_device(scene, path, device)


def _kind(device: Device) -> type[Device]:
    return Hostdev if isinstance(device, Hostdev) else type(device)


DOMAIN: tuple[Callable[[Scene], Problems], ...] = (
    machine.check_identity,
    machine.check_acpi_machine,
    machine.check_acpi,
    machine.check_serial_bios,
    machine.check_features,
    hyperv.check_hyperv,
    machine.check_timers,
    machine.check_sleep,
    machine.check_secure_boot,
    processor.check_processors,
    processor.check_cache,
    memory.check_backing,
    memory.check_hotplug,
    memory.check_interconnects,
    memory.check_devices,
    machine.check_io_apic,
    machine.check_launch_security,
    displays.check_audios,
)
"""What concerns the domain as a whole, in libvirt's order."""

DEVICES: tuple[tuple[type[Device], Check], ...] = (
    (Disk, disks.check_disk),
    (Sound, smalldevices.check_sound),
    (Interface, interfaces.check_interface),
    (Hostdev, hostdevs.check_hostdev),
    (Filesystem, sharing.check_filesystem),
    (Controller, controllers.check_controller),
    (Smartcard, smalldevices.check_smartcard),
    (Parallel, streams.check_device),
    (Serial, streams.check_device),
    (Channel, streams.check_device),
    (Console, streams.check_device),
    (Input, smalldevices.check_input),
    (Video, displays.check_video),
    (Watchdog, smalldevices.check_watchdog),
    (Memballoon, smalldevices.check_balloon),
    (Rng, smalldevices.check_rng),
    (Nvram, smalldevices.check_nvram),
    (Hub, smalldevices.check_flag),
    (Shmem, sharing.check_shmem),
    (Tpm, smalldevices.check_tpm),
    (Panic, smalldevices.check_panic),
    (Redirdev, smalldevices.check_flag),
    (Vsock, smalldevices.check_flag),
    (Crypto, smalldevices.check_flag),
    (Pstore, smalldevices.check_flag),
    (Graphics, displays.check_graphics),
    (Iommu, smalldevices.check_iommu),
)
"""What concerns one device, in the order in which libvirt goes through the kinds."""

START: tuple[Callable[[Scene], Problems], ...] = (
    memory.check_alignment,
    memory.check_host,
    processor.check_mode,
    processor.check_arm_features,
    processor.check_power_host,
)

START_DEVICES: tuple[tuple[type[Device], Check], ...] = (
    (Interface, interfaces.check_connection),
    (Controller, controllers.check_usb_model),
    (Shmem, sharing.check_shmem_place),
)
