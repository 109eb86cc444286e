"""Definitions made complete, command lines, and what real QEMU thinks of them.

Each golden/NAME.xml is a definition as a user writes it; NAME.complete.xml is what is stored, NAME.argv the command
line. `VIRTBUS_GOLDEN=write pytest tests/qemu/test_command.py` writes them anew; then read the difference.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.qemu import invented
from tests.qemu.machines import LIMIT, Launch
from virtbus.domain import Domain
from virtbus.domain.watchdog import Panic
from virtbus.errors import ConfigUnsupported, XmlError
from virtbus_qemu import live
from virtbus_qemu.capabilities import probe
from virtbus_qemu.command import build_argv, environment, settle
from virtbus_qemu.definition import complete
from virtbus_qemu.folder import DomainFolder, HostFolder
from virtbus_qemu.journal import arguments as journal_arguments
from virtbus_qemu.settings import QemuSettings

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.xml") if not path.stem.endswith(".complete"))
SETTINGS = QemuSettings()


def read(name: str, tmp: str = "TMP") -> Domain:
    return Domain.parse((GOLDEN / f"{name}.xml").read_text().replace("TMP", tmp))


def folder_of(domain: Domain, run: Path = Path("/run/virtbus/host")) -> DomainFolder:
    assert domain.uuid is not None
    return HostFolder(run).domain(domain.uuid)


def compare(path: Path, text: str) -> None:
    if os.environ.get("VIRTBUS_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_becomes_complete(name: str) -> None:
    whole = complete(read(name), invented.capabilities(), SETTINGS)
    compare(GOLDEN / f"{name}.complete.xml", whole.format(secure=True))


@pytest.mark.parametrize("name", NAMES)
def test_completing_again_changes_nothing(name: str) -> None:
    whole = complete(read(name), invented.capabilities(), SETTINGS)
    stored = Domain.parse(whole.format(secure=True))
    assert complete(stored, invented.capabilities(), SETTINGS).format(secure=True) == whole.format(secure=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line(name: str) -> None:
    whole = complete(read(name), invented.capabilities(), SETTINGS)
    folder = folder_of(whole)
    running = live.prepare(whole, folder, SETTINGS, choose_ports=False)
    argv = build_argv(running, folder, invented.capabilities(), SETTINGS)
    lines: list[str] = []
    for word in argv:
        if word.startswith("-") or not lines:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    compare(GOLDEN / f"{name}.argv", "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", NAMES)
async def test_qemu_accepts_it_and_has_the_devices(name: str, emulator: Path, launch: Launch, host: HostFolder) -> None:
    tmp = host.path
    for image in ("a", "b", "base"):
        (tmp / f"{image}.raw").write_bytes(bytes(1 << 20))
    create = "qemu-img create -q -f qcow2 -F raw -b"
    subprocess.run([*create.split(), str(tmp / "base.raw"), str(tmp / "top.qcow2")], check=True)
    capabilities = await probe(emulator)
    domain = complete(read(name, str(tmp)), capabilities, SETTINGS)
    folder = folder_of(domain, tmp)
    running = live.prepare(domain, folder, SETTINGS)
    argv = build_argv(running, folder, capabilities, SETTINGS)
    machine = await launch(argv=argv, folder=folder, environment=environment(running, SETTINGS))
    listed = await machine.monitor.execute("qom-list", {"path": "/machine/peripheral"}, timeout=LIMIT)
    there = {entry["name"] for entry in listed}
    # QEMU is told no name of panic devices, as by libvirt.
    aliases = {each.alias for each in running.devices.every() if each.alias and not isinstance(each, Panic)}
    built_in = {"ide", "pci.0", "pcie.0"} | {each.alias for each in running.devices.inputs if each.bus == "ps2"}
    built_in |= {each.alias for each in running.devices.watchdogs if each.model == "itco"}
    assert aliases - built_in <= there
    for command in settle(running, folder, capabilities, SETTINGS):
        await machine.monitor.execute(command.execute, command.arguments, timeout=LIMIT)
    assert (await machine.monitor.execute("query-status", timeout=LIMIT))["status"] == "prelaunch"


def test_the_journal_is_the_last_monitor() -> None:
    domain = complete(read("minimal-q35"), invented.capabilities(), SETTINGS)
    folder = folder_of(domain)
    argv = build_argv(live.prepare(domain, folder, SETTINGS), folder, invented.capabilities(), SETTINGS)
    assert argv[-4:] == journal_arguments(folder.journal)


def minimal(inner: str = "", *, devices: str = "", machine: str = "q35", kind: str = "qemu") -> Domain:
    return Domain.parse(
        f"<domain type='{kind}'><name>d</name><memory>65536</memory><os><type machine='{machine}'>hvm</type></os>"
        f"{inner}<devices>{devices}</devices></domain>"
    )


@pytest.mark.parametrize(
    ("inner", "devices", "path"),
    [
        ("<cputune><shares>10</shares></cputune>", "", "/domain/cputune"),
        ("<memtune><hard_limit>1</hard_limit></memtune>", "", "/domain/memtune"),
        ("<vcpu cpuset='1'>1</vcpu>", "", "/domain/vcpu/@cpuset"),
        ("<on_crash>coredump-destroy</on_crash>", "", "/domain/on_crash"),
        ("<cpu mode='host-passthrough'/>", "", "/domain/cpu/@mode"),
        ("<cpu><model>nosuch</model></cpu>", "", "/domain/cpu/model"),
        ("", "<sound model='ac97' streams='3'/>", "/domain/devices/sound/@streams"),
        (
            "",
            "<tpm model='tpm-tis'><backend type='emulator' debug='3'/></tpm>",
            "/domain/devices/tpm/backend/debug",
        ),
        ("", "<graphics type='rdp'/>", "/domain/devices/graphics"),
        ("", "<interface type='network'><source network='default'/></interface>", "/domain/devices/interface/@type"),
        (
            "",
            "<interface type='user'><bandwidth><inbound average='1'/></bandwidth></interface>",
            "/domain/devices/interface/bandwidth",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_path(inner: str, devices: str, path: str) -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        complete(minimal(inner, devices=devices), invented.capabilities(), SETTINGS)
    assert caught.value.evidence["path"] == path


def test_two_devices_at_one_address_are_refused() -> None:
    card = "<rng model='virtio'><backend model='builtin'/><address type='pci' slot='9'/></rng>"
    with pytest.raises(XmlError, match="Attempted double use of PCI Address"):
        complete(minimal(devices=card * 2, machine="pc"), invented.capabilities(), SETTINGS)


def test_kvm_is_refused_where_the_host_has_none() -> None:
    with pytest.raises(ConfigUnsupported):
        complete(minimal(kind="kvm"), invented.capabilities(), SETTINGS)
    complete(minimal(kind="kvm"), invented.capabilities(kvm=True), SETTINGS)


def test_uefi_is_found_by_the_firmware_descriptors() -> None:
    text = minimal("<features><acpi/></features>").format().replace("<os>", "<os firmware='efi'>")
    domain = complete(Domain.parse(text), invented.capabilities(), SETTINGS)
    assert domain.os is not None
    assert domain.os.loader is not None
    assert domain.os.nvram is not None
    assert domain.os.loader.path == "/usr/share/OVMF/OVMF_CODE.fd"
    assert domain.os.nvram.path == str(SETTINGS.nvram / "d_VARS.fd")
    folder = folder_of(domain)
    argv = build_argv(live.prepare(domain, folder, SETTINGS), folder, invented.capabilities(), SETTINGS)
    machine = argv[argv.index("-machine") + 1]
    assert "pflash0=libvirt-pflash0-format,pflash1=libvirt-pflash1-storage" in machine
