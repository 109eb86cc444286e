"""What QEMU cannot run is refused in libvirt's words, with its path."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.errors import VirtbusError
from virtbus_qemu import checks
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.definition import fill
from virtbus_qemu.probing.digest import Flag, Head
from virtbus_qemu.settings import QemuSettings

SETTINGS = QemuSettings(numa_nodes=frozenset({0}), tpm_versions=frozenset({"1.2"}))

SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
VIRTIOFS = "<filesystem type='mount'{1}><driver type='virtiofs'/>{0}<source dir='/srv'/><target dir='t'/></filesystem>"
MDEV = (
    "<hostdev mode='subsystem' type='mdev' model='vfio-pci' {0}>"
    "<source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>"
)

#: Of a PC: machine, what stands before <devices>, what stands in it; the path and the words of the refusal.
REFUSED = {
    "a timer nobody has": (
        "q35", "<clock><timer name='platform'/></clock>", "",
        "/domain/clock/timer[1]/@name", "unsupported timer type (name) 'platform'",
    ),
    "a tick policy of the RTC": (
        "q35", "<clock><timer name='rtc' tickpolicy='merge'/></clock>", "",
        "/domain/clock/timer[1]/@tickpolicy", "unsupported rtc timer tickpolicy 'merge'",
    ),
    "an ARM timer": (
        "q35", "<clock><timer name='armvtimer' tickpolicy='delay'/></clock>", "", "/domain/clock/timer[1]/@name",
        "Configuring the 'armvtimer' timer is not supported for virtType=qemu arch=x86_64 machine={machine} guests",
    ),
    "an ARM interrupt controller": (
        "q35", "<features><acpi/><gic version='2'/></features>", "", "/domain/features/gic",
        "The 'gic' feature is not supported for architecture 'x86_64' or machine type '{machine}'",
    ),
    "a PS/2 controller that stays": (
        "q35", "<features><ps2 state='on'/></features>", "", "/domain/features/ps2/@state",
        "ps2 feature state cannot be controlled with this QEMU binary",
    ),
    "Hyper-V's timers without its interrupts": (
        "q35", "<features><hyperv><stimer state='on'/></hyperv></features>", "", "/domain/features/hyperv/stimer",
        "'stimer' hyperv feature requires 'synic' hyperv feature",
    ),
    "a memory module on a bus": (
        "q35",
        "<maxMemory slots='1' unit='GiB'>4</maxMemory><cpu><numa><cell cpus='0' memory='64' unit='MiB'/></numa></cpu>",
        "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target>"
        "<address type='isa'/></memory>",
        "/domain/devices/memory/address/@type", "only 'dimm' addresses are supported for the dimm device",
    ),
    "TSEG on the older chipset": (
        "pc", "<features><smm state='on'><tseg unit='MiB'>8</tseg></smm></features>", "",
        "/domain/features/smm/tseg", "SMM TSEG is only supported with q35 machine type",
    ),
    "an emulated cache of level 2": (
        "q35", "<cpu mode='maximum'><cache mode='emulate' level='2'/></cpu>", "",
        "/domain/cpu/cache/@level", "CPU cache mode 'emulate' can only be used with level='3'",
    ),
    "the host's cache for another processor": (
        "q35", "<cpu mode='custom'><model>qemu64</model><cache mode='passthrough'/></cpu>", "",
        "/domain/cpu/cache/@mode",
        "CPU cache mode 'passthrough' can only be used with 'host-passthrough' / 'maximum' CPUs",
    ),
    "Intel's IOMMU on the older chipset": (
        "pc", "", "<iommu model='intel'/>", "/domain/devices/iommu/@model",
        "IOMMU device: 'intel' is only supported with Q35 machines",
    ),
    "too many USB ports": (
        "q35", "", "<controller type='usb' model='qemu-xhci' ports='16'/>", "/domain/devices/controller[1]/@ports",
        "'qemu-xhci' controller only supports up to '15' ports",
    ),
    "two IDE controllers": (
        "pc", "", "<controller type='ide' index='0'/><controller type='ide' index='1'/>",
        "/domain/devices/controller[2]/@type", "Only a single IDE controller is supported for this machine type",
    ),
    "IDE on the newer chipset": (
        "q35", "", "<controller type='ide' index='0'/>", "/domain/devices/controller[1]/@type",
        "IDE controllers are unsupported for this QEMU binary or machine type",
    ),
    "a panic device of another architecture": (
        "q35", "", "<panic model='pseries'/>", "/domain/devices/panic/@model",
        "only pSeries guests support panic device of model 'pseries'",
    ),
    "a watchdog of s390x": (
        "q35", "", "<watchdog model='diag288'/>", "/domain/devices/watchdog[1]/@model",
        "diag288 model of watchdog is allowed for s390 and s390x only",
    ),
    "an input device of the wrong generation": (
        "q35", "", "<input type='keyboard' bus='virtio' model='virtio-transitional'/>",
        "/domain/devices/input[1]/@model",
        "virtio (non-)transitional models are not supported for input type=keyboard",
    ),
    "a TPM that the host does not emulate": (
        "q35", "", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>",
        "/domain/devices/tpm/backend/@version", "TPM version '2.0' is not supported",
    ),
    "virtiofs without shared memory": (
        "q35", "", VIRTIOFS.format("", ""), "/domain/devices/filesystem", "'virtiofs' requires shared memory",
    ),
    "virtiofs with mapped rights": (
        "q35", SHARED, VIRTIOFS.format("", " accessmode='mapped'"), "/domain/devices/filesystem/@accessmode",
        "virtiofs only supports passthrough accessmode",
    ),
    "a display of a mediated device that nobody sees": (
        "q35", "", MDEV.format("display='on'"), "/domain/devices/hostdev/@display",
        "graphics device is needed for attribute value 'display=on' in <hostdev>",
    ),
    "a sound card that the binary lacks": (
        "q35", "", "<sound model='virtio'/>", "/domain/devices/sound/@model",
        "virtio-sound controller is not supported in this QEMU binary",
    ),
    "a window beside the headless display": (
        "q35", "", "<graphics type='sdl'/><graphics type='egl-headless'/>", "/domain/devices/graphics[1]/@type",
        "graphics type 'egl-headless' is only supported with one of: 'vnc', 'spice' graphics types",
    ),
    "memory on a node that is not there": (
        "q35", "<numatune><memory mode='strict' nodeset='3'/></numatune>", "", "/domain/numatune/memory/@nodeset",
        "NUMA node 3 is unavailable",
    ),
    "the host's processor without KVM": (
        "q35", "<cpu mode='host-passthrough'/>", "", "/domain/cpu/@mode",
        "CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host is not supported by hypervisor",
    ),
}  # fmt: skip


def _refusal(machine: str, more: str, devices: str) -> tuple[str, VirtbusError]:
    capabilities = invented.capabilities()
    later = {"virtio-sound", "machine-i8042-opt"}
    head = capabilities.digest.head
    known = [flag for flag in head.flags if flag.name not in later]
    capabilities = replace(capabilities, digest=replace(capabilities.digest, head=_with(head, known)))
    domain = Domain.parse(
        f"<domain type='qemu'><name>d</name><memory unit='MiB'>64</memory><os><type machine='{machine}'>hvm</type></os>"
        f"{more}<devices>{devices}</devices></domain>"
    )
    with pytest.raises(VirtbusError) as refused:
        _define_and_start(domain, capabilities)
    return (domain.os.type.machine if domain.os else None) or machine, refused.value


def _define_and_start(domain: Domain, capabilities: Capabilities) -> None:
    fill(domain, capabilities, SETTINGS, renew=True)
    checks.check_start(domain, capabilities, SETTINGS)


def _with(head: Head, flags: list[Flag]) -> Head:
    twin = head.copy()
    twin.flags = flags
    return twin


@pytest.mark.parametrize("name", REFUSED)
def test_what_qemu_cannot_run_is_refused_in_libvirts_words(name: str) -> None:
    machine, more, devices, path, words = REFUSED[name]
    chosen, refusal = _refusal(machine, more, devices)
    assert refusal.message == words.format(machine=chosen)
    assert refusal.evidence["path"] == path
