"""Disks of every kind in a real QEMU."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

from tests.qemu.block.disks import domain_of
from tests.qemu.machines import LIMIT, Launch, Machine
from virtbus.domain import Domain
from virtbus_qemu import live
from virtbus_qemu.capabilities import probe
from virtbus_qemu.command import build_argv
from virtbus_qemu.definition import complete
from virtbus_qemu.folder import HostFolder
from virtbus_qemu.settings import QemuSettings
from virtbus_qemu.vault import SecretFolder

SECRET = UUID("0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f")
PASSPHRASE = "open sesame"


async def start(domain: Domain, launch: Launch, emulator: Path, host: HostFolder, settings: QemuSettings) -> Machine:
    capabilities = await probe(emulator)
    domain.uuid = uuid4()
    whole = complete(domain, capabilities, settings)
    folder = host.domain(domain.uuid)
    running = live.prepare(whole, folder, settings)
    folder.create()
    return await launch(argv=build_argv(running, folder, capabilities, settings), folder=folder)


async def sizes(machine: Machine) -> dict[str, int]:
    """What the guest's drives hold, in bytes, by their aliases."""
    blocks = await machine.monitor.execute("query-block", timeout=LIMIT)
    full = {each["qdev"]: each["inserted"]["image"]["virtual-size"] for each in blocks if "inserted" in each}
    return {name.removeprefix("/machine/peripheral/").partition("/")[0]: size for name, size in full.items()}


def make(path: Path, *arguments: str, layout: str = "qcow2") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", layout, *arguments, str(path), "1M"], check=True)
    return path


async def test_an_encrypted_image_is_opened(launch: Launch, emulator: Path, host: HostFolder, tmp_path: Path) -> None:
    secret = f"secret,id=s,data={PASSPHRASE}"
    image = make(tmp_path / "a.luks", "--object", secret, "-o", "key-secret=s,iter-time=100", layout="luks")
    (tmp_path / str(SECRET)).write_text(PASSPHRASE)
    disk = (
        f"<disk><driver name='qemu' type='raw'/><source file='{image}'><encryption format='luks'>"
        f"<secret type='passphrase' uuid='{SECRET}'/></encryption></source><target dev='vda'/></disk>"
    )
    settings = QemuSettings(vault=SecretFolder(tmp_path))
    machine = await start(domain_of(disk), launch, emulator, host, settings)
    assert await sizes(machine) == {"virtio-disk0": 1 << 20}


async def test_a_network_disk_is_reached(launch: Launch, emulator: Path, host: HostFolder, tmp_path: Path) -> None:
    image, socket = make(tmp_path / "a.qcow2"), tmp_path / "nbd.sock"
    server = await asyncio.create_subprocess_exec(
        "qemu-nbd", "-f", "qcow2", "-x", "e", "-k", str(socket), "--fork", f"--pid-file={tmp_path}/pid", str(image)
    )
    # It returns when it listens, and ends with its client.
    async with asyncio.timeout(LIMIT):
        assert await server.wait() == 0
    disk = (
        "<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd' name='e'>"
        f"<host transport='unix' socket='{socket}'/></source><target dev='vda'/></disk>"
    )
    machine = await start(domain_of(disk), launch, emulator, host, QemuSettings())
    assert await sizes(machine) == {"virtio-disk0": 1 << 20}


async def test_every_bus_has_its_drives(launch: Launch, emulator: Path, host: HostFolder, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    kinds = [("disk", "vda", "virtio"), ("disk", "hda", "ide"), ("disk", "sda", "scsi"), ("disk", "sdb", "usb")]
    kinds += [("floppy", "fda", "fdc"), ("cdrom", "sdc", "sata")]
    disks = [
        f"<disk device='{device}'><driver name='qemu' type='raw'/>"
        f"<source file='{make(tmp_path / name, layout='raw')}'/><target dev='{name}' bus='{bus}'/></disk>"
        for device, name, bus in kinds
    ]
    disks.append(f"<disk type='dir'><source dir='{tmp_path}/dir'/><target dev='vdb'/><readonly/></disk>")
    machine = await start(domain_of(*disks, machine="pc"), launch, emulator, host, QemuSettings())
    found = await sizes(machine)
    assert {alias: found[alias] for alias in found if alias != "virtio-disk1"} == dict.fromkeys(
        ("virtio-disk0", "ide0-0-0", "scsi0-0-0", "usb-disk1", "fdc0-0-0", "sata0-0-2"), 1 << 20
    )
    assert "virtio-disk1" in found


async def test_a_part_of_a_file_is_a_disk(launch: Launch, emulator: Path, host: HostFolder, tmp_path: Path) -> None:
    part = "<slices><slice type='storage' offset='512' size='1024'/></slices>"
    image = make(tmp_path / "a", layout="raw")
    disk = f"<disk><driver name='qemu' type='raw'/><source file='{image}'>{part}</source><target dev='vda'/></disk>"
    settings = replace(QemuSettings(), sandbox=False)
    machine = await start(domain_of(disk), launch, emulator, host, settings)
    assert await sizes(machine) == {"virtio-disk0": 1024}
