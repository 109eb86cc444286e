"""The drivers that must pass the contract, as a table: how each is reached, and how its guests are made to behave.

One template serves all virtual machines, since the vocabulary is one; containers have another. A guest is `AWAKE`, and
answers what it is asked, or `DEAF`, and runs without ever answering. What cannot be asked through Virtbus (a domain's
process that hangs or dies, a guest that acts while no worker looks) is done behind its back, by each family's own
means.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape

from tests.contract import xenguests
from tests.esx import hosts as vmware
from tests.esx import vcsim
from tests.guests import containers, linux
from tests.guests.debian import PackagesUnavailable
from tests.hyperv import hosts
from tests.stack import Host, Stack
from tests.xapi import pool
from virtbus_qemu.folder import HostFolder
from virtbus_qemu.monitor import Monitor
from virtbus_simulated.client import Client as Hypervisor

LIMIT = 20.0
"""Seconds that anything may take here, on a busy machine."""


class Guest(StrEnum):
    """How a domain's guest behaves."""

    AWAKE = "awake"
    DEAF = "deaf"


class Misfortune(StrEnum):
    """What happens to a domain without Virtbus."""

    DIES = "dies"
    """Its process ends."""
    PAUSES = "pauses"
    """Its CPUs stop."""
    RESETS = "resets"
    """The guest is reset."""
    HANGS = "hangs"
    """Its process answers nothing any more, until it is killed."""


@dataclass(frozen=True)
class DriverCase:
    """A driver under test."""

    name: str
    host: Host
    missing: Callable[[], str | None]
    """Why it cannot be had on this machine; None where it can."""
    words: Callable[[Guest, Path], Mapping[str, str]]
    """What the template's fields are for a guest; the path is that of its console."""
    befall: Callable[[Stack, UUID, Misfortune], Awaitable[None]]
    suffix: Mapping[Guest, str] = field(default_factory=dict)
    """The last part of the names of such guests."""
    template: str = field(default_factory=lambda: TEMPLATE)
    """The document that defines a domain; its devices `ua-root`, `ua-nic` and `ua-cdrom` are what tests look for."""
    pluggable: Mapping[str, str] = field(default_factory=lambda: PLUGGABLE)
    """A device of each kind that can be plugged, as a user would write it; a disk and an interface at least."""
    fixed: str = "video"
    """A kind of device that can never be unplugged."""
    asks_guest: bool = True
    """Whether the guest is asked to let go of a device, and may take its time."""
    drive: bool = True
    """Whether there is a drive with a medium, and disks whose I/O is limited while they run."""
    plugs_vcpus: bool = True
    """Whether a running domain can get virtual CPUs."""
    unplugs_vcpus: bool = True
    """Whether a running domain can lose virtual CPUs again."""
    measured_from_outside: bool = False
    """Whether a domain that hangs is measured all the same."""
    measured: Mapping[str, Any] = field(
        default_factory=lambda: {"block.count": 2, "block.0.name": "vda", "block.1.name": "sda", "net.count": 1}
    )
    """What is measured of the template's devices."""
    speaks: bool = False
    """Whether an awake guest says GUEST-READY on its console when it has booted."""
    hears: Callable[[str, int, float], Awaitable[None]] | None = None
    """Waits until the guest of that name has said so as often, within seconds, where its console is no file here."""
    prepare: Callable[[Path], None] = lambda folder: None
    """Makes what its host needs, in the stack's folder, before the host is served."""
    hangs: bool = True
    """Whether a domain can stop answering its hypervisor's commands."""


TEMPLATE = """<domain type='{type}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <maxMemory slots='2' unit='MiB'>512</maxMemory>
  <memory unit='MiB'>{memory}</memory>
  <vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64'{machine}>hvm</type>
    {boot}
  </os>
  <features><acpi/></features>
  <cpu><numa><cell id='0' cpus='0-1' memory='{memory}' unit='MiB'/></numa></cpu>
  <devices>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <controller type='usb' model='qemu-xhci'/>
    <controller type='virtio-serial' index='0'/>
    {ports}
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{folder}/halt.img'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
      <alias name='ua-root'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      <target dev='sda' bus='scsi'/>
      <readonly/>
      <alias name='ua-cdrom'/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
      <alias name='ua-nic'/>
    </interface>
    {serial}
    <graphics type='vnc'/>
    <video><model type='vga'/></video>
    <memballoon model='virtio'/>
  </devices>
</domain>
"""

PLUGGABLE = {
    "disk": "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{folder}/data.img'/>"
    "<target dev='vdb' bus='virtio'/><alias name='ua-new'/></disk>",
    "scsi-disk": "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{folder}/data.img'/>"
    "<target dev='sdb' bus='scsi'/><alias name='ua-new'/></disk>",
    "interface": "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/>"
    "<alias name='ua-new'/></interface>",
    "controller": "<controller type='scsi' index='1' model='virtio-scsi'><alias name='ua-new'/></controller>",
    "rng": "<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-new'/></rng>",
    "memory": "<memory model='dimm'><target><size unit='MiB'>128</size></target><alias name='ua-new'/></memory>",
    "watchdog": "<watchdog model='i6300esb' action='none'><alias name='ua-new'/></watchdog>",
    "input": "<input type='tablet' bus='usb'><alias name='ua-new'/></input>",
    "channel": "<channel type='null'><target type='virtio' name='org.virtbus.test'/><alias name='ua-new'/></channel>",
}
"""A device of each kind that can be plugged, as a user would write it."""


def prepare(folder: Path) -> None:
    """The images that the documents name; the first sector of one halts the processor for good."""
    size = 1 << 20
    halt = b"\xfa\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"
    (folder / "halt.img").write_bytes(halt.ljust(size, b"\0"))
    for name in ("data.img", "one.iso", "two.iso"):
        (folder / name).write_bytes(bytes(size))


# ---- simulated ----


def _simulated_words(guest: Guest, console: Path) -> Mapping[str, str]:
    return {"type": "test", "machine": "", "boot": "", "serial": "", "ports": "", "memory": "256"}


async def _simulated_befall(stack: Stack, domain: UUID, what: Misfortune) -> None:
    """Ask the simulated hypervisor's control."""
    asked: dict[Misfortune, dict[str, object]] = {
        Misfortune.DIES: {"play": "die"},
        Misfortune.PAUSES: {"play": "io-error"},
        Misfortune.RESETS: {"play": "reset"},
        Misfortune.HANGS: {"fail": ["hung-monitor"]},
    }
    client = await Hypervisor.connect(stack.run("sim") / "hypervisor.sock", "sim", timeout=LIMIT)
    try:
        await client.ask("control", timeout=LIMIT, domain=str(domain), **asked[what])
    finally:
        await client.close()


# ---- qemu ----


def _qemu_missing() -> str | None:
    if shutil.which("qemu-system-x86_64") is None:
        return "QEMU is not installed (Debian: apt install qemu-system-x86)"
    try:
        linux.build()
    except PackagesUnavailable as error:
        return str(error)
    return None


def _qemu_words(guest: Guest, console: Path) -> Mapping[str, str]:
    if guest is Guest.DEAF:
        ports = "<controller type='pci' model='pcie-root-port'/>" * 10
        boot = "<boot dev='hd'/>"
        return {"type": "qemu", "machine": " machine='q35'", "boot": boot, "serial": "", "ports": ports, "memory": "64"}
    built = linux.build()
    kernel = (("kernel", built.kernel), ("initrd", built.initrd), ("cmdline", built.cmdline))
    boot = "".join(f"<{tag}>{escape(str(text))}</{tag}>" for tag, text in kernel)
    serial = f"<serial type='file'><source path='{console}'/></serial>"
    # All slots of this machine can be plugged, a PCI watchdog's too.
    return {"type": "qemu", "machine": " machine='pc'", "boot": boot, "serial": serial, "ports": "", "memory": "256"}


async def _qemu_befall(stack: Stack, domain: UUID, what: Misfortune) -> None:
    """Signal the process, or talk to its monitor, which is free while no worker is there."""
    folder = HostFolder(stack.run("kvm")).domain(domain)
    started = folder.read_process()
    assert started is not None
    signals = {Misfortune.DIES: signal.SIGKILL, Misfortune.HANGS: signal.SIGSTOP}
    if what in signals:
        os.kill(started.identity.pid, signals[what])
        return
    monitor = await Monitor.connect(folder.monitor, timeout=LIMIT)
    try:
        await monitor.execute({Misfortune.PAUSES: "stop", Misfortune.RESETS: "system_reset"}[what], timeout=LIMIT)
    finally:
        await monitor.close()


DRIVERS: tuple[DriverCase, ...] = (
    DriverCase(
        name="simulated",
        host=Host("sim", "simulated:///default?unplug_ms=10&shutdown_ms=10&reboot_ms=10"),
        missing=lambda: None,
        words=_simulated_words,
        befall=_simulated_befall,
        suffix={Guest.DEAF: ".deaf-guest"},
    ),
    DriverCase(
        name="lxc",
        host=Host("c1", "lxc:///", {"lxcpath": "{folder}/lxc"}),
        missing=containers.missing,
        words=containers.words,
        befall=containers.befall,
        speaks=True,
        template=containers.TEMPLATE,
        pluggable=containers.PLUGGABLE,
        fixed="console",
        asks_guest=False,
        drive=False,
        measured_from_outside=True,
        measured={"block.count": 1, "block.0.name": "vda", "net.count": 1},
    ),
    DriverCase(
        name="qemu",
        host=Host("kvm", "qemu:///system"),
        missing=_qemu_missing,
        words=_qemu_words,
        befall=_qemu_befall,
        speaks=True,
    ),
)


async def _xapi_befall(stack: Stack, domain: UUID, what: Misfortune) -> None:
    await pool.befall(stack.folder, domain, str(what))


XAPI = DriverCase(
    name="xapi",
    host=Host("pool", pool.URI, pool.OPTIONS),
    missing=lambda: None,
    words=lambda guest, console: {},
    befall=_xapi_befall,
    suffix={Guest.DEAF: ".deaf-guest"},
    prepare=pool.prepare,
    template=pool.TEMPLATE,
    pluggable=pool.PLUGGABLE,
    fixed="console",
    drive=False,
)
DRIVERS = (*DRIVERS, XAPI)



async def _hyperv_befall(stack: Stack, domain: UUID, what: Misfortune) -> None:
    await hosts.befall(stack.folder, domain, str(what))


HYPERV = DriverCase(
    name="hyperv",
    host=Host("hv", hosts.URI, hosts.OPTIONS),
    missing=lambda: None,
    words=lambda guest, console: {},
    befall=_hyperv_befall,
    suffix={Guest.DEAF: ".deaf-guest"},
    prepare=hosts.prepare,
    template=hosts.TEMPLATE,
    pluggable=hosts.PLUGGABLE,
    plugs_vcpus=False,
    measured_from_outside=True,
    measured=hosts.MEASURED,
)



def _vmware(name: str, mode: str) -> DriverCase:
    async def befall(stack: Stack, domain: UUID, what: Misfortune) -> None:
        await vmware.befall(mode, stack.folder, domain, str(what))

    return DriverCase(
        name=name,
        host=Host(name, vmware.URIS[mode], vmware.options(mode)),
        missing=vcsim.missing,
        words=lambda guest, console: {},
        befall=befall,
        suffix={Guest.DEAF: ".deaf"},
        prepare=lambda folder: vmware.prepare(mode, folder),
        template=vmware.TEMPLATE,
        pluggable=vmware.PLUGGABLE,
        asks_guest=False,
        unplugs_vcpus=False,
        measured_from_outside=True,
        measured=vmware.MEASURED,
    )


ESX, VPX = _vmware("esx", "esx"), _vmware("vpx", "vc")
BEGUN = (HYPERV, ESX, VPX)
"""Drivers that are not through the whole suite yet."""
if os.environ.get("VIRTBUS_CONTRACT") == "begun":
    DRIVERS = BEGUN

_XEN_MISFORTUNES = {
    Misfortune.DIES: xenguests.destroy,
    Misfortune.PAUSES: xenguests.pause,
    Misfortune.RESETS: xenguests.reset,
}


async def _xen_befall(stack: Stack, domain: UUID, what: Misfortune) -> None:
    await _XEN_MISFORTUNES[what](domain)


XEN = DriverCase(
    name="xen",
    host=Host("dom0", os.environ.get(xenguests.URI, "xen+ssh://root@nowhere/system"), xenguests.OPTIONS),
    missing=xenguests.missing,
    words=lambda guest, console: xenguests.words(guest is Guest.AWAKE),
    befall=_xen_befall,
    speaks=True,
    hears=xenguests.boots,
    hangs=False,
    template=xenguests.TEMPLATE,
    pluggable=xenguests.PLUGGABLE,
    fixed="console",
    drive=False,
    measured_from_outside=True,
    measured={"block.count": 1, "block.0.name": "xvda", "net.count": 1},
)

if os.environ.get(xenguests.URI):
    # Xen runs in a machine of its own, which is booted for it alone.
    DRIVERS = (XEN,)

ALL_KINDS = sorted({kind for case in DRIVERS for kind in case.pluggable})
"""Every kind of device that some driver plugs."""


async def boots(console: Path, count: int) -> None:
    """Wait until a console has told of so many boots; what QEMU writes to a file can only be looked at."""
    async with asyncio.timeout(3 * LIMIT):
        while not (console.exists() and len(re.findall(rb"GUEST-READY", console.read_bytes())) >= count):
            await asyncio.sleep(0.02)
