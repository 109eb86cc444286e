"""Plugging and unplugging with real QEMU, for every kind that can be plugged.

The guest never runs here: a reset makes QEMU complete every removal that is pending.
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from tests.qemu import invented
from tests.qemu.machines import LIMIT, Launch, Machine
from virtbus.domain import Device, Domain, find, parse_device
from virtbus.errors import AlreadyExists, ConfigUnsupported, HypervisorError, WrongState, XmlInternal
from virtbus_qemu import hotplug, live
from virtbus_qemu.capabilities import Capabilities, probe
from virtbus_qemu.command import build_argv
from virtbus_qemu.command.parts import Command
from virtbus_qemu.definition import complete
from virtbus_qemu.event import QmpEvent
from virtbus_qemu.folder import DomainFolder, HostFolder
from virtbus_qemu.hotplug import Plug
from virtbus_qemu.settings import QemuSettings

SETTINGS = QemuSettings(spare_root_ports=2)
UUID_ONE = UUID("11111111-1111-4111-8111-111111111111")

XML = f"""<domain type='qemu'><name>d</name><uuid>{UUID_ONE}</uuid>
<maxMemory slots='2' unit='MiB'>512</maxMemory><memory unit='MiB'>128</memory>
<os><type machine='q35'>hvm</type></os><features><acpi/></features>
<cpu><numa><cell id='0' cpus='0' memory='128' unit='MiB'/></numa></cpu>
<devices><controller type='scsi' model='virtio-scsi'/><controller type='virtio-serial'/>
<controller type='usb' model='qemu-xhci'/>
<disk><source file='TMP/b.raw'/><target dev='sdb' bus='scsi'/></disk>
<disk><source file='TMP/c.raw'/><target dev='sdc' bus='sata'/></disk></devices></domain>"""

DEVICES = {
    "virtio-disk0": "<disk><driver name='qemu' type='raw' cache='none'/><source file='TMP/a.raw'/><target dev='vda'/>"
    "<iotune><total_iops_sec>10</total_iops_sec></iotune></disk>",
    "scsi0-0-0-0": "<disk><source file='TMP/a.raw'/><target dev='sda' bus='scsi'/></disk>",
    "usb-disk0": "<disk><source file='TMP/a.raw'/><target dev='sda' bus='usb'/></disk>",
    "net0": "<interface type='user'><model type='virtio'/><link state='down'/></interface>",
    "ua-mine": "<interface type='user'><model type='e1000e'/><alias name='ua-mine'/></interface>",
    "scsi1": "<controller type='scsi' model='virtio-scsi'/>",
    "rng0": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "channel0": "<channel type='null'><target type='virtio' name='agent'/></channel>",
    "input2": "<input type='tablet' bus='usb'/>",
}


def running(tmp: Path, capabilities: Capabilities) -> tuple[Domain, DomainFolder]:
    for image in "abc":
        (tmp / f"{image}.raw").write_bytes(bytes(1 << 20))
    folder = HostFolder(tmp).domain(UUID_ONE)
    definition = complete(Domain.parse(XML.replace("TMP", str(tmp))), capabilities, SETTINGS)
    return live.prepare(definition, folder, SETTINGS, number=1), folder


def device_of(xml: str, tmp: Path) -> Device:
    return parse_device(xml.replace("TMP", str(tmp)))


async def send(machine: Machine, command: Command) -> None:
    await machine.monitor.execute(command.execute, command.arguments, timeout=LIMIT)


async def plugged(machine: Machine) -> set[str]:
    listed = await machine.monitor.execute("qom-list", {"path": "/machine/peripheral"}, timeout=LIMIT)
    return {entry["name"] for entry in listed}


def is_deleted(event: QmpEvent, alias: str) -> bool:
    return event.name == "DEVICE_DELETED" and event.data.get("device") == alias


@pytest.mark.parametrize("alias", DEVICES)
async def test_a_device_is_plugged_and_torn_down_without_a_trace(
    alias: str, emulator: Path, launch: Launch, host: HostFolder
) -> None:
    capabilities = await probe(emulator)
    domain, folder = running(host.path, capabilities)
    machine = await launch(argv=build_argv(domain, folder, capabilities, SETTINGS), folder=folder)
    device = live.prepare_device(domain, device_of(DEVICES[alias], host.path), folder, SETTINGS, capabilities)
    assert device.alias == alias
    hotplug.check_attach(domain, device)
    hotplug.check_detach(domain, device)
    plug = Plug.of(domain, device, capabilities, SETTINGS, folder, strict=True)
    for _ in range(2):
        for command in (*plug.additions, *plug.settle):
            await send(machine, command)
        assert alias in await plugged(machine)
        await send(machine, plug.removal)
        await machine.monitor.execute("system_reset", timeout=LIMIT)
        # Not when the list of devices has it no more: what it used is freed a little later.
        await machine.until(lambda event: is_deleted(event, alias))
        # In the second round, all of it must be free to be used again.
        for command in plug.teardown:
            await send(machine, command)
    assert alias not in await plugged(machine)


async def test_memory_is_plugged(emulator: Path, launch: Launch, host: HostFolder) -> None:
    # Only a running guest lets go of memory.
    capabilities = await probe(emulator)
    domain, folder = running(host.path, capabilities)
    machine = await launch(argv=build_argv(domain, folder, capabilities, SETTINGS), folder=folder)
    xml = "<memory model='dimm'><target><size unit='MiB'>128</size></target></memory>"
    device = live.prepare_device(domain, parse_device(xml), folder, SETTINGS, capabilities)
    plug = Plug.of(domain, device, capabilities, SETTINGS, folder, strict=True)
    for command in plug.additions:
        await send(machine, command)
    size = await machine.monitor.execute("query-memory-size-summary", timeout=LIMIT)
    assert size == {"base-memory": 128 << 20, "plugged-memory": 128 << 20}


async def test_a_failed_plug_is_unwound(emulator: Path, launch: Launch, host: HostFolder) -> None:
    capabilities = await probe(emulator)
    domain, folder = running(host.path, capabilities)
    machine = await launch(argv=build_argv(domain, folder, capabilities, SETTINGS), folder=folder)
    before = await machine.monitor.execute("query-named-block-nodes", timeout=LIMIT)
    broken = "<disk><driver name='qemu' type='qcow2'/><source file='TMP/a.raw'/><target dev='vda' bus='virtio'/></disk>"
    device = live.prepare_device(domain, device_of(broken, host.path), folder, SETTINGS, capabilities)
    plug = Plug.of(domain, device, capabilities, SETTINGS, folder, strict=True)
    storage, layout, _ = plug.additions
    await send(machine, storage)
    with pytest.raises(HypervisorError):
        await send(machine, layout)
    for command in plug.unwind(plug.additions[:1]):
        await send(machine, command)
    assert await machine.monitor.execute("query-named-block-nodes", timeout=LIMIT) == before


def test_no_place_and_no_second_alias(tmp_path: Path) -> None:
    domain, folder = running(tmp_path, invented.capabilities())
    card = device_of(DEVICES["ua-mine"], tmp_path)
    for number in range(2):
        card.alias = f"ua-{number}"
        domain.devices.interfaces.append(live.prepare_device(domain, card, folder, SETTINGS, invented.capabilities()))  # type: ignore[arg-type]
    with pytest.raises(AlreadyExists):
        live.prepare_device(domain, card, folder, SETTINGS, invented.capabilities())
    card.alias = "ua-other"
    with pytest.raises(XmlInternal, match="No more available PCI slots"):
        live.prepare_device(domain, card, folder, SETTINGS, invented.capabilities())


def test_what_has_no_effect_is_refused(tmp_path: Path) -> None:
    domain, folder = running(tmp_path, invented.capabilities())
    xml = "<interface type='user'><model type='virtio'/><bandwidth><inbound average='1'/></bandwidth></interface>"
    device = live.prepare_device(domain, device_of(xml, tmp_path), folder, SETTINGS, invented.capabilities())
    with pytest.raises(ConfigUnsupported) as caught:
        Plug.of(domain, device, invented.capabilities(), SETTINGS, folder, strict=True)
    assert caught.value.evidence["path"] == "/interface/bandwidth"


@pytest.mark.parametrize("alias", ["input0", "sata0-0-2", "usb", "pci.1", "ide"])
def test_what_can_never_go_is_refused_before_anything_is_sent(alias: str, tmp_path: Path) -> None:
    domain, _ = running(tmp_path, invented.capabilities())
    with pytest.raises(ConfigUnsupported):
        hotplug.check_detach(domain, find(domain, alias))


def test_a_controller_with_disks_stays(tmp_path: Path) -> None:
    domain, _ = running(tmp_path, invented.capabilities())
    with pytest.raises(WrongState):
        hotplug.check_detach(domain, find(domain, "scsi0"))
