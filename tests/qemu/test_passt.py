"""passt's arguments, by what the definition of a card says, and passt itself beside QEMU."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from tests.qemu.machines import LIMIT, Launch, Machine
from virtbus.domain import Domain
from virtbus.domain.devices import parse_device
from virtbus.domain.interface import Interface
from virtbus_qemu import daemons, live, passt
from virtbus_qemu.capabilities import probe
from virtbus_qemu.command import build_argv
from virtbus_qemu.definition import complete
from virtbus_qemu.folder import HostFolder
from virtbus_qemu.process import Process
from virtbus_qemu.settings import QemuSettings

SOCKET = Path("/run/d/net0-passt.sock")


def card(inside: str) -> Interface:
    device = parse_device(f"<interface type='user'>{inside}</interface>")
    assert isinstance(device, Interface)
    device.alias = "net0"
    return device


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<backend type='passt'/>", []),
        ("<source dev='eth0'/>", ["--interface", "eth0"]),
        (
            "<backend type='passt' logFile='/l' hostname='h' fqdn='h.d'/>",
            ["--log-file", "/l", "--hostname", "h", "--fqdn", "h.d"],
        ),
        ("<mtu size='1400'/>", ["--mtu", "1400"]),
        (
            "<ip family='ipv4' address='10.0.0.2' prefix='24'/><ip family='ipv6' address='fd00::2' prefix='64'/>",
            ["--address", "10.0.0.2", "--netmask", "24", "--address", "fd00::2"],
        ),
        ("<portForward proto='tcp'/>", ["--tcp-ports", "all"]),
        (
            "<portForward proto='udp' address='1.2.3.4' dev='eth0'><range start='5000' end='5020' to='6000'/>"
            "<range start='5010' end='5015' exclude='yes'/></portForward>",
            ["--udp-ports", "1.2.3.4%eth0/5000-5020:6000-6020,~5010-5015"],
        ),
        (
            "<portForward proto='tcp'><range start='80' to='8080'/><range start='22'/></portForward>",
            ["--tcp-ports", "80:8080,22"],
        ),
        ("<portForward proto='tcp' dev='eth0'/>", ["--tcp-ports", "%eth0/all"]),
    ],
)
def test_what_a_card_says_reaches_passt(inside: str, said: list[str]) -> None:
    words = passt.arguments(card(inside), SOCKET)
    assert words[:5] == ("passt", "--foreground", "--one-off", "--socket", str(SOCKET))
    assert list(words[7:]) == said


def test_its_socket_lies_in_the_domains_folder_or_where_the_settings_say() -> None:
    domain = Domain.parse("<domain type='qemu' id='4'><name>a-name-of-more-than-20</name><memory>1</memory></domain>")
    interface = card("<backend type='passt'/>")
    assert passt.socket(interface, domain, Path("/run/d"), QemuSettings()) == SOCKET
    elsewhere = QemuSettings(passt=Path("/run/passt"))
    assert passt.socket(interface, domain, Path("/run/d"), elsewhere) == Path(
        "/run/passt/4-a-name-of-more-than--net0.socket"
    )


async def _networks(machine: Machine) -> str:
    question = {"command-line": "info network"}
    return str(await machine.monitor.execute("human-monitor-command", question, timeout=LIMIT))


async def test_qemu_and_its_passt_find_each_other(emulator: Path, launch: Launch, host: HostFolder) -> None:
    domain = Domain.parse(
        f"<domain type='qemu'><name>d</name><uuid>{uuid4()}</uuid><memory unit='MiB'>64</memory>"
        "<os><type machine='q35'>hvm</type></os><devices><interface type='user'><model type='virtio'/>"
        "<backend type='passt'/></interface></devices></domain>"
    )
    settings, capabilities = QemuSettings(), await probe(emulator)
    whole = complete(domain, capabilities, settings)
    assert whole.uuid is not None
    folder = host.domain(whole.uuid)
    running = live.prepare(whole, folder, settings)
    await daemons.start(running, folder, settings, timeout=LIMIT)
    (served,) = daemons.running(folder)
    watched = Process.adopt(served)
    try:
        machine = await launch(argv=build_argv(running, folder, capabilities, settings), folder=folder)
        connected = f"hostnet0: index=0,type=stream,unix:{folder.path / 'net0-passt.sock'}"
        async with asyncio.timeout(LIMIT):
            # QEMU connects beside its start.
            while connected not in await _networks(machine):
                await asyncio.sleep(0.01)
        await machine.process.kill(timeout=LIMIT)
        # Nobody tells it to: it serves one QEMU only.
        async with asyncio.timeout(LIMIT):
            await watched.wait()
    finally:
        watched.close()
        await daemons.end(running, folder, settings)
