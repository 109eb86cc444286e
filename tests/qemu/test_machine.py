"""-machine, -cpu and what else of a command line is no device, by architecture and by what QEMU can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import machinedefaults
from virtbus_qemu.command import boot, clock, context_of, frame, launch, machine, processor, topology
from virtbus_qemu.command.parts import Context
from virtbus_qemu.probing.digest import Gic, MachineType, Sev
from virtbus_qemu.settings import QemuSettings

SETTINGS = QemuSettings()


def domain(inner: str, *, arch: str = "x86_64", board: str = "q35", os: str = "", kind: str = "qemu") -> Domain:
    return Domain.parse(
        f"<domain type='{kind}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>d</name>"
        f"<memory>65536</memory><os><type arch='{arch}' machine='{board}'>hvm</type>{os}</os>{inner}</domain>"
    )


def words(section: Callable[[Context], Iterable[str]], wanted: Domain) -> str:
    capabilities = invented.capabilities()
    board = wanted.os.type.machine if wanted.os else None
    for accelerator in capabilities.digest.accelerators:
        if capabilities.find_machine(board) is None:
            accelerator.machines.append(MachineType(type=accelerator.name, name=board or "", default_ram_id="ram"))
    return " ".join(section(context_of(wanted, Path("/run/d"), capabilities, SETTINGS)))


@pytest.mark.parametrize(
    ("arch", "board", "inner", "has"),
    [
        ("s390x", "s390-ccw-virtio", "<keywrap><cipher name='aes' state='off'/></keywrap>", "usb=off,aes-key-wrap=off"),
        ("aarch64", "virt", "<features><gic version='3'/><ras state='on'/></features>", "gic-version=3,ras=on"),
        ("riscv64", "virt", "<features><aia value='aplic'/></features>", "usb=off,aia=aplic"),
        (
            "ppc64",
            "pseries",
            "<features><hpt resizing='required'><maxpagesize unit='MiB'>1</maxpagesize></hpt><htm state='on'/>"
            "<cfpc value='fixed'/></features>",
            "resize-hpt=required,cap-hpt-max-page-size=1024k,cap-htm=on,cap-cfpc=fixed",
        ),
        ("x86_64", "q35", "<features><ps2 state='off'/><ioapic driver='qemu'/></features>", "kernel_irqchip=split"),
        (
            "x86_64",
            "q35",
            "<cpu><numa><cell cpus='0' memory='65536'><cache level='1' associativity='full' policy='none'>"
            "<size value='1'/><line value='64' unit='B'/></cache></cell></numa></cpu>",
            "dump-guest-core=off,hmat=on",
        ),
    ],
)
def test_what_the_machine_is_told(arch: str, board: str, inner: str, has: str) -> None:
    assert has in words(machine.machine, domain(inner, arch=arch, board=board))


@pytest.mark.parametrize(
    ("inner", "ends"),
    [
        (
            "<features><hyperv mode='custom'><relaxed state='on'/><spinlocks state='on' retries='8191'/>"
            "<stimer state='on'><direct state='on'/></stimer><vendor_id state='on' value='me'/></hyperv></features>",
            "hv-relaxed=on,hv-spinlocks=0x1fff,hv-stimer=on,hv-stimer-direct=on,hv-vendor-id=me",
        ),
        ("<features><kvm><hidden state='on'/><pv-ipi state='off'/></kvm></features>", "kvm=off,kvm-pv-ipi=off"),
        (
            "<clock offset='utc'><timer name='kvmclock' present='no'/><timer name='tsc' frequency='5'/></clock>",
            "kvmclock=off,tsc-frequency=5",
        ),
    ],
)
def test_what_the_processor_shows_of_the_hypervisor(inner: str, ends: str) -> None:
    cpu = "<cpu mode='custom'><model>qemu64</model></cpu>"
    assert words(processor.processor, domain(cpu + inner)) == f"-cpu qemu64,{ends}"


@pytest.mark.parametrize(
    ("cpu", "ends"),
    [
        ("<cache mode='passthrough'/>", "host-cache-info=on,l3-cache=off"),
        ("<cache level='3' mode='emulate'/>", "l3-cache=on,host-cache-info=off"),
        ("<maxphysaddr mode='passthrough' limit='39'/>", "host-phys-bits=on,host-phys-bits-limit=39"),
    ],
)
def test_caches_and_addresses_of_the_hosts_processor(cpu: str, ends: str) -> None:
    wanted = domain(f"<cpu mode='host-passthrough' migratable='on'>{cpu}</cpu>")
    assert words(processor.processor, wanted) == f"-cpu host,migratable=on,{ends}"


def test_a_machine_with_its_own_processor_is_told_of_none() -> None:
    assert words(processor.processor, domain("", arch="sparc", board="SS-5")) == ""


def test_processors_that_are_plugged_in_later_are_not_there_at_start() -> None:
    states = "".join(
        f"<vcpu id='{number}' enabled='yes' hotpluggable='{'yes' if number else 'no'}'/>" for number in range(3)
    )
    wanted = domain(f"<vcpu current='3'>4</vcpu><vcpus>{states}</vcpus>")
    assert words(topology.topology, wanted) == "-smp 1,maxcpus=4,sockets=4,cores=1,threads=1"


@pytest.mark.parametrize(
    ("inner", "base"),
    [
        ("<clock offset='timezone' timezone='Europe/Paris'/>", "base=localtime"),
        ("<clock offset='variable' adjustment='60' basis='utc'/>", "base=2020-01-01T10:01:00"),
        ("<clock offset='variable' adjustment='0' basis='localtime'/>", "base=2020-01-01T12:00:00"),
        ("<clock offset='absolute' start='253402300799'/>", "base=9999-12-31T23:59:59"),
        ("<clock offset='utc'><timer name='rtc' track='guest'/></clock>", "base=utc,clock=vm"),
    ],
)
def test_what_the_clock_shows_at_start(inner: str, base: str) -> None:
    noon = datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert noon.astimezone(UTC).hour == 10
    with patch("virtbus_qemu.command.clock.now", lambda: noon):
        assert words(clock.clock, domain(inner)) == f"-rtc {base}"


def test_tables_and_a_kernel_come_with_the_boot_order() -> None:
    os = (
        "<kernel>/k</kernel><initrd>/i</initrd><cmdline>a b</cmdline>"
        "<acpi><table type='slic'>/t</table><table type='rawset'>/u</table></acpi>"
    )
    assert words(boot.boot, domain("", os=os)) == (
        "-boot strict=on -kernel /k -initrd /i -append a b -acpitable sig=SLIC,file=/t -acpitable file=/u"
    )


def test_encrypted_memory_takes_the_hosts_numbers() -> None:
    wanted = domain("<launchSecurity type='sev'><policy>0x0003</policy></launchSecurity>")
    capabilities = invented.capabilities()
    with pytest.raises(ConfigUnsupported):
        launch.options(context_of(wanted, Path("/run/d"), capabilities, SETTINGS))
    capabilities.digest.sev = Sev(cbitpos=51, reduced_phys_bits=1, pdh="", cert_chain="")
    assert launch.options(context_of(wanted, Path("/run/d"), capabilities, SETTINGS)) == [
        "-object",
        '{"qom-type":"sev-guest","id":"lsec0","cbitpos":51,"reduced-phys-bits":1,"policy":3}',
    ]


def test_a_domain_may_pretend_what_qemu_can_do() -> None:
    pretended = "<qemu:capabilities><qemu:del capability='machine-vmport-opt'/></qemu:capabilities>"
    asked = "<features><vmport state='off'/></features>"
    assert "vmport=off" in words(machine.machine, domain(asked))
    assert "vmport" not in words(machine.machine, domain(asked + pretended))


def test_memory_may_be_freed_after_the_end() -> None:
    wanted = domain("<features><async-teardown enabled='yes'/></features>")
    assert words(frame.teardown, wanted) == "-run-with async-teardown=on"


@pytest.mark.parametrize(("kind", "version"), [("qemu", "2"), ("kvm", "3")])
def test_the_newest_interrupt_controller_of_the_host_is_taken(kind: str, version: str) -> None:
    capabilities = invented.capabilities(kvm=True)
    capabilities.digest.gics = [Gic(version=2, kernel=False, emulated=True), Gic(version=3, kernel=True, emulated=True)]
    wanted = domain("", arch="aarch64", board="virt", kind=kind)
    machinedefaults.fill_features(wanted, capabilities, SETTINGS, renew=True)
    assert wanted.features is not None
    assert wanted.features.gic is not None
    assert wanted.features.gic.version == version


def test_many_processors_get_an_iommu() -> None:
    wanted = domain("<vcpu>256</vcpu>")
    machinedefaults.fill_iommu(wanted)
    machinedefaults.fill_features(wanted, invented.capabilities(), SETTINGS, renew=True)
    assert wanted.devices.iommu is not None
    driver = wanted.devices.iommu.driver
    assert driver is not None
    assert (driver.intremap, driver.eim) == (True, True)
    assert wanted.features is not None
    assert wanted.features.ioapic == "qemu"


def test_processors_of_no_node_belong_to_the_first() -> None:
    wanted = domain(
        "<vcpu>6</vcpu><cpu><numa><cell id='0' cpus='0' memory='1'/><cell id='1' cpus='2-3' memory='1'/></numa></cpu>"
    )
    machinedefaults.fill_nodes(wanted)
    assert wanted.cpu is not None
    assert wanted.cpu.numa is not None
    assert [cell.cpus for cell in wanted.cpu.numa.cells] == ["0-1,4-5", "2-3"]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (domain("", arch="alpha"), "does not support arch 'alpha'"),
        (domain("", kind="kvm"), "does not support virt type 'kvm'"),
    ],
)
def test_what_an_emulator_does_not_have_is_refused(wanted: Domain, text: str) -> None:
    with pytest.raises(ConfigUnsupported, match=text):
        machinedefaults.fill(wanted, invented.capabilities(), SETTINGS)
