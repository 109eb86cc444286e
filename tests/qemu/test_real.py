"""Definitions as people and their tools write them: real QEMU takes each, and has what it asks for.

Each real/NAME.xml is written by us, in the shape that a tool gives it or for a field of use. QEMU is started with it,
its processors stopped, and QMP is asked for all that the definition says and QMP can tell (see `readings`).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.conformance import schema
from tests.qemu.machines import LIMIT, Launch
from tests.qemu.readings import Reading, View, read
from tests.qemu.scenery import Scenery, Unable, moved
from virtbus.domain import Domain
from virtbus.domain.address import PciAddress
from virtbus.domain.cpu import CpuMode
from virtbus.domain.domain import DomainType
from virtbus.domain.interface import InterfaceType
from virtbus.errors import HypervisorError
from virtbus.xml import Form
from virtbus_qemu import chains, daemons, guestcpu, live, memoryfolders, network, nvram
from virtbus_qemu.capabilities import Capabilities, probe
from virtbus_qemu.command import build_argv, environment, settle
from virtbus_qemu.definition import complete
from virtbus_qemu.folder import DomainFolder, HostFolder
from virtbus_qemu.settings import QemuSettings
from virtbus_qemu.vault import SecretFolder

REAL = Path(__file__).parent / "real"
NAMES = sorted(path.stem for path in REAL.glob("*.xml"))
SCHEMA = Path(os.environ.get("CORPUS", "")) / schema.SCHEMA
"""libvirt's, where it is given: make test CORPUS=FOLDER, as for make conformance."""

_FEWEST = 20
"""Every machine has more to be read of than this."""


@pytest.fixture(scope="session")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where QEMU's answers are kept for the next test."""
    return tmp_path_factory.mktemp("capabilities")


@pytest.fixture
async def capabilities(emulator: Path, probed: Path) -> Capabilities:
    return await probe(emulator, cache=probed)


@pytest.fixture
def scene(host: HostFolder) -> Iterator[Scenery]:
    built = Scenery(host.path)
    yield built
    built.undo.close()


def settings_of(scene: Scenery) -> QemuSettings:
    root = scene.root
    return QemuSettings(
        nvram=root / "nvram", memory=root / "ram", tpm=root / "tpm", vault=SecretFolder(scene.secrets),
        hugepages={2048: scene.hugepages},
    )  # fmt: skip


def definition(name: str, root: Path) -> Domain:
    return Domain.parse(moved((REAL / f"{name}.xml").read_text(), root))


def _runs(emulator: Path, *processor: str) -> bool:
    """Whether this host's KVM gives a guest a processor."""
    words = [str(emulator), "-nodefaults", "-display", "none", "-accel", "kvm", "-S", "-monitor", "stdio", "-cpu"]
    done = subprocess.run(
        [*words, ",".join(processor)], input=b"quit\n", capture_output=True, timeout=LIMIT, check=False
    )
    return done.returncode == 0


def _is_kvm(domain: Domain) -> bool:
    return domain.type is DomainType.KVM


_HOSTS_OWN = (CpuMode.HOST_PASSTHROUGH, CpuMode.HOST_MODEL)


def _takes_host(domain: Domain) -> bool:
    return _is_kvm(domain) and domain.cpu is not None and domain.cpu.mode in _HOSTS_OWN


def _counts_processors(domain: Domain) -> bool:
    hyperv = domain.features.hyperv if domain.features else None
    return _is_kvm(domain) and hyperv is not None and hyperv.vpindex is not None


def _has_tap(domain: Domain) -> bool:
    return any(each.type in (InterfaceType.BRIDGE, InterfaceType.ETHERNET) for each in domain.devices.interfaces)


def _has_vsock(domain: Domain) -> bool:
    return domain.devices.vsock is not None


NEEDS: tuple[tuple[str, Callable[[Domain], bool], Callable[[Path], bool]], ...] = (
    ("there is no /dev/kvm", _is_kvm, lambda _: os.access("/dev/kvm", os.R_OK | os.W_OK)),
    ("this KVM gives guests no processor like the host's", _takes_host, lambda emulator: _runs(emulator, "host")),
    (
        "this KVM has no Hyper-V processor numbers",
        _counts_processors,
        lambda emulator: _runs(emulator, "qemu64", "hv-vpindex=on"),
    ),
    ("there is no /dev/vhost-vsock", _has_vsock, lambda _: Path("/dev/vhost-vsock").exists()),
    ("there is no /dev/net/tun, or it is root's", _has_tap, lambda _: os.geteuid() == 0),
)
"""What a host may lack, which definitions need it, and whether it is there."""


def need(domain: Domain, emulator: Path) -> None:
    """Say what this host lacks for a definition."""
    for reason, wants, has in NEEDS:
        if wants(domain) and not has(emulator):
            pytest.skip(reason)


def test_there_are_enough() -> None:
    assert len(NAMES) >= 50


@pytest.mark.parametrize("name", NAMES)
async def test_completing_again_changes_nothing(name: str, capabilities: Capabilities, scene: Scenery) -> None:
    domain = definition(name, scene.root)
    if _is_kvm(domain) and not capabilities.kvm_usable:
        pytest.skip("there is no /dev/kvm")
    whole = complete(domain, capabilities, settings_of(scene)).format(secure=True)
    again = complete(Domain.parse(whole), capabilities, settings_of(scene)).format(secure=True)
    assert again == whole


@pytest.mark.parametrize("name", NAMES if SCHEMA.exists() else [])
async def test_what_is_written_is_libvirts(name: str, capabilities: Capabilities, scene: Scenery) -> None:
    rules = etree.RelaxNG(etree.parse(SCHEMA))
    domain = definition(name, scene.root)
    if _is_kvm(domain) and not capabilities.kvm_usable:
        pytest.skip("there is no /dev/kvm")
    whole = complete(domain, capabilities, settings_of(scene))
    folder = DomainFolder(scene.root / "d", whole.uuid or pytest.fail("no UUID"))
    running = live.prepare(whole, folder, settings_of(scene), number=1, choose_ports=False)
    running.cpu = guestcpu.settled(running, capabilities)
    written = {
        "input": (REAL / f"{name}.xml").read_text(),
        "inactive": whole.format(secure=True),
        "live": running.format(Form.LIVE, secure=True),
    }
    for form, text in written.items():
        tree = etree.fromstring(text.encode())
        for reader in tree.findall("devices/smartcard"):
            # libvirt writes its alias too; its schema has forgotten it.
            etree.strip_elements(reader, "alias")
        rules.validate(tree)
        assert (form, [str(error) for error in rules.error_log]) == (form, [])


@pytest.fixture
async def afterwards(host: HostFolder) -> AsyncIterator[list[Callable[[], None]]]:
    """What is undone once QEMU has ended."""
    undo: list[Callable[[], None]] = []
    yield undo
    for folder in host.domains():
        await daemons.sweep(folder)
    for step in undo:
        step()


@pytest.fixture
async def start(
    emulator: Path,
    capabilities: Capabilities,
    scene: Scenery,
    host: HostFolder,
    afterwards: list[Callable[[], None]],
    launch: Launch,
) -> Callable[[str], Awaitable[View]]:
    """Starts QEMU with a definition, as the worker does; skips what this host cannot give."""

    async def started(name: str) -> View:
        asked, settings = definition(name, scene.root), settings_of(scene)
        need(asked, emulator)
        try:
            scene.build(asked)
        except Unable as error:
            pytest.skip(str(error))
        domain = complete(asked, capabilities, settings)
        assert domain.uuid is not None
        folder = host.domain(domain.uuid)
        await chains.discover(domain, timeout=LIMIT)
        running = live.prepare(domain, folder, settings, number=1)
        running.cpu = guestcpu.settled(running, capabilities)
        folder.create()
        argv = build_argv(running, folder, capabilities, settings)
        afterwards.extend([lambda: network.disconnect_all(running), lambda: memoryfolders.remove(running, settings)])
        nvram.create(running, capabilities)
        memoryfolders.create(running, settings)
        network.connect_all(running)
        await daemons.start(running, folder, settings, timeout=LIMIT)
        try:
            machine = await launch(argv=argv, folder=folder, environment=environment(running, settings))
        except HypervisorError as error:
            pytest.fail(f"{error}: {folder.last_words()}")
        for command in settle(running, folder, capabilities, settings):
            await machine.monitor.execute(command.execute, command.arguments, timeout=LIMIT)
        return View(running, machine.monitor, folder.path, scene.hugepages)

    return started


async def differences(view: View) -> list[Reading]:
    """What QEMU has otherwise than it is asked for."""
    readings = [reading async for reading in read(view)]
    assert len(readings) > _FEWEST
    return [(what, asked, found) for what, asked, found in readings if asked != found]


@pytest.mark.parametrize("name", NAMES)
async def test_qemu_has_what_it_asks_for(name: str, start: Callable[[str], Awaitable[View]]) -> None:
    assert await differences(await start(name)) == []


async def test_what_differs_is_noticed(start: Callable[[str], Awaitable[View]]) -> None:
    view = await start("disks-sata-ide")
    other = view.live
    assert other.memory is not None
    assert other.vcpu is not None
    other.name, other.memory.kib, other.vcpu.count = "another", other.memory.kib + 1024, 2
    first, second = other.devices.disks[:2]
    assert first.source is not None
    first.source.file, first.serial, first.readonly = "/another", "another", True
    second.alias = "nobody"
    balloon = other.devices.memballoon
    assert balloon is not None
    assert isinstance(balloon.address, PciAddress)
    balloon.address.slot += 1
    noticed = {what for what, _, _ in await differences(view)}
    assert noticed >= {
        "name", "base-memory", "vcpus", "possible vcpus", "sata0-0-0 image 0 file", "sata0-0-0.serial",
        "sata0-0-0 read-only", "nobody is a drive", "nobody is one of ['ide-hd']", "balloon0 addr",
    }  # fmt: skip
