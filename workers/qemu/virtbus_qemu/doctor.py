"""What `virtbus doctor` looks at where QEMU runs: QEMU itself, KVM, devices and programs that domains may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from virtbus.doctor import Family, Finding, Place, Verdict, on_disk
from virtbus.driver import HostSettings
from virtbus.errors import VirtbusError
from virtbus_qemu import hugepagemounts
from virtbus_qemu.capabilities import Capabilities, probe
from virtbus_qemu.host import qemu_settings
from virtbus_qemu.settings import QemuSettings

OLDEST = (6, 2, 0)
"""The QEMU that libvirt 11 asks for at least, and so what its command lines are made for."""
PACKAGE = "apt install qemu-system-x86"

KVM = Path("/dev/kvm")
CPUINFO = Path("/proc/cpuinfo")
MODULES = Path("/sys/module")
HUGE = Path("/sys/kernel/mm/hugepages")
GROUPS = Path("/sys/kernel/iommu_groups")


@dataclass(frozen=True)
class Part:
    """A device node or a program that some domains need."""

    name: str
    purpose: str
    mend: str


NODES = (
    Part("/dev/net/tun", "network cards on bridges", "modprobe tun"),
    Part("/dev/vhost-net", "fast network cards", "modprobe vhost_net"),
    Part("/dev/vhost-vsock", "vsock", "modprobe vhost_vsock"),
)
PROGRAMS = (
    Part("qemu-img", "disks with backing files", "apt install qemu-utils"),
    Part("swtpm", "emulated TPMs", "apt install swtpm"),
    Part("/usr/lib/qemu/virtiofsd", "shared folders", "apt install qemu-system-common, or name <binary path='...'/>"),
    Part("passt", "network cards of <backend type='passt'/>", "apt install passt"),
)


async def qemu(place: Place) -> Sequence[Finding]:
    """QEMU starts, answers, and is new enough."""
    try:
        settings = _settings(place)
        found = await probe(settings.emulator, launcher=settings.launcher)
    except VirtbusError as error:
        said = " ".join([error.message, *error.evidence.get("log", [])[-1:]])
        return [Finding("qemu", Verdict.BAD, said, error.hint or PACKAGE)]
    said = f"QEMU {found.version_text} at {found.emulator}, for {found.arch}, {len(found.machines)} machine types"
    if found.version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return [Finding("qemu", Verdict.WEAK, said, f"{oldest} or newer: what older ones lack is refused")]
    return [Finding("qemu", Verdict.GOOD, said), _kvm(found), *_firmware(found)]


def _kvm(found: Capabilities) -> Finding:
    """KVM works, or the first reason why it does not."""
    if found.kvm_usable:
        return Finding("kvm", Verdict.GOOD, f"{KVM} works")
    flags = CPUINFO.read_text(errors="replace").split()
    if not KVM.exists() and not {"vmx", "svm"} & set(flags):
        said = "the processor shows no virtualization: domains of type kvm do not start, those of type qemu are slow"
        mend = "switch it on in the firmware's setup; in a virtual machine, let it have nested virtualization"
    elif not KVM.exists():
        said, mend = f"{KVM} is missing", "modprobe kvm_intel, or kvm_amd; then see dmesg"
    elif not os.access(KVM, os.R_OK | os.W_OK):
        said, mend = f"{KVM} cannot be opened by uid {os.geteuid()}", "usermod --append --groups kvm USER"
    else:
        said, mend = f"QEMU cannot use {KVM}", "see dmesg: another hypervisor may hold the processor"
    return Finding("kvm", Verdict.WEAK, said, mend)


def _firmware(found: Capabilities) -> Iterator[Finding]:
    boots = [image for image in found.firmware if "uefi" in image.interfaces]
    if boots:
        yield Finding("firmware", Verdict.GOOD, f"{len(boots)} UEFI images are described")
    else:
        said = "no UEFI image is described in /usr/share/qemu/firmware"
        yield Finding("firmware", Verdict.WEAK, said, "apt install ovmf; until then <os firmware='efi'> is refused")


@on_disk
def parts(place: Place) -> Sequence[Finding]:
    """Device nodes and programs that some domains need."""
    devices = [_part("device", part, os.access(part.name, os.R_OK | os.W_OK)) for part in NODES]
    programs = [_part("program", part, shutil.which(part.name) is not None) for part in PROGRAMS]
    return [*devices, *programs]


def _part(topic: str, part: Part, there: bool) -> Finding:
    if there:
        return Finding(topic, Verdict.GOOD, f"{part.name} is here, for {part.purpose}")
    return Finding(topic, Verdict.WEAK, f"{part.name} is missing: no {part.purpose}", part.mend)


@on_disk
def memory(place: Place) -> Sequence[Finding]:
    """Huge pages: reserved ones must be mounted, or no domain gets them."""
    reserved = {
        int(folder.name.removeprefix("hugepages-").removesuffix("kB")): int((folder / "nr_hugepages").read_text())
        for folder in sorted(HUGE.glob("hugepages-*"))
    }
    mounts = hugepagemounts.found()
    findings = []
    for size, count in reserved.items():
        if count and size not in mounts:
            said = f"{count} pages of {size} KiB are reserved and mounted nowhere"
            findings.append(
                Finding("hugepages", Verdict.WEAK, said, f"mount -t hugetlbfs -o pagesize={size}K none FOLDER")
            )
        elif count:
            findings.append(Finding("hugepages", Verdict.GOOD, f"{count} pages of {size} KiB at {mounts[size]}"))
    none = Finding("hugepages", Verdict.GOOD, "none are reserved; domains that ask for them do not start")
    return findings or [none]


@on_disk
def nested(place: Place) -> Sequence[Finding]:
    """Whether guests may be hosts themselves, and whether devices of the host can be handed to them."""
    switches = [MODULES / name / "parameters" / "nested" for name in ("kvm_intel", "kvm_amd")]
    states = [path.read_text().strip() for path in switches if path.is_file()]
    findings = []
    if states:
        on = states[0] in ("Y", "1")
        findings.append(Finding("nested", Verdict.GOOD, f"guests {'may' if on else 'may not'} use KVM themselves"))
    groups = len(list(GROUPS.iterdir())) if GROUPS.is_dir() else 0
    said = f"{groups} groups of devices can be handed to guests"
    if not groups:
        said = "off: no device can be handed to a guest"
    return [*findings, Finding("iommu", Verdict.GOOD, said)]


@on_disk
def rights(place: Place) -> Sequence[Finding]:
    """What the launcher and the user that QEMU becomes need."""
    settings = _settings(place)
    if settings.run_as is not None and os.geteuid() != 0:
        said = f"QEMU cannot become {settings.run_as}: this is uid {os.geteuid()}"
        return [Finding("rights", Verdict.BAD, said, "run the worker as root, or leave out the option run_as")]
    if settings.launcher:
        return [Finding("rights", Verdict.GOOD, f"QEMU is started through {settings.launcher[0]}")]
    return []


def _settings(place: Place) -> QemuSettings:
    name = next(iter(place.host_names), "doctor")
    run, state = place.run_dir / name, place.state_dir / "hosts" / name
    return qemu_settings(HostSettings(name=name, uri="qemu:///system", run=run, state=state, options=place.options))


def _present(place: Place) -> bool:
    return Path("/usr/bin/qemu-system-x86_64").exists() or "emulator" in place.options


FAMILY = Family(checks=(qemu, parts, memory, nested, rights), present=_present)
