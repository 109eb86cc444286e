"""What QEMU's driver adds to devices and fills into them, by architecture and machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.domain.sound import AudioType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import devicedefaults
from virtbus_qemu.settings import DisplaySettings, QemuSettings

SETTINGS = QemuSettings()
MACHINES = {
    "pc": ("x86_64", "pc"),
    "q35": ("x86_64", "q35"),
    "s390x": ("s390x", "s390-ccw-virtio"),
    "pseries": ("ppc64", "pseries"),
    "powernv": ("ppc64", "powernv9"),
    "arm": ("aarch64", "virt"),
    "versatile": ("armv7l", "versatilepb"),
    "vexpress": ("armv7l", "vexpress-a9"),
    "riscv": ("riscv64", "virt"),
    "loongarch": ("loongarch64", "virt"),
}
VNC = "<graphics type='vnc'/>"


def filled(machine: str, devices: str = "", *, settings: QemuSettings = SETTINGS, rest: str = "") -> Domain:
    arch, name = MACHINES[machine]
    domain = Domain.parse(
        f"<domain type='qemu'><name>a</name><os><type arch='{arch}' machine='{name}'>hvm</type></os>{rest}"
        f"<devices>{devices}</devices></domain>"
    )
    capabilities = invented.capabilities()
    devicedefaults.add_devices(domain, capabilities, settings)
    devicedefaults.fill_devices(domain, capabilities, settings)
    devicedefaults.forget_start(domain, settings)
    return domain


@pytest.mark.parametrize(
    ("machine", "added"),
    [
        ("pc", ["mouse ps2", "keyboard ps2", "memballoon"]),
        ("q35", ["mouse ps2", "keyboard ps2", "itco", "memballoon"]),
        ("s390x", ["memballoon", "panic s390"]),
        ("pseries", ["memballoon", "panic pseries"]),
        ("powernv", ["memballoon"]),
        ("arm", []),
        ("versatile", []),
        ("riscv", ["memballoon"]),
        ("loongarch", ["memballoon"]),
    ],
)
def test_each_machine_has_its_own_devices(machine: str, added: list[str]) -> None:
    devices = filled(machine).devices
    found = [f"{each.type} {each.bus}" for each in devices.inputs]
    found += [each.model.value for each in devices.watchdogs]
    found += ["memballoon"] if devices.memballoon else []
    assert found + [f"panic {each.model}" for each in devices.panics] == added


def test_the_chipsets_watchdog_does_what_the_users_does() -> None:
    domain = filled("q35", "<watchdog model='i6300esb' action='inject-nmi'/>")
    assert [(str(dog.model), str(dog.action)) for dog in domain.devices.watchdogs] == [
        ("i6300esb", "inject-nmi"),
        ("itco", "inject-nmi"),
    ]


def test_what_was_added_is_not_added_again() -> None:
    domain = filled("q35", VNC)
    before = domain.format()
    devicedefaults.add_devices(domain, invented.capabilities(), SETTINGS)
    devicedefaults.fill_devices(domain, invented.capabilities(), SETTINGS)
    assert domain.format() == before


def test_without_its_keyboard_controller_a_pc_has_no_inputs() -> None:
    assert not filled("pc", rest="<features><ps2 state='off'/></features>").devices.inputs


def test_power_guests_with_a_screen_have_usb_inputs() -> None:
    assert [f"{each.type} {each.bus}" for each in filled("pseries", VNC).devices.inputs] == [
        "keyboard usb",
        "mouse usb",
    ]


@pytest.mark.parametrize(
    ("machine", "video", "card", "serial", "model", "panic"),
    [
        ("pc", "cirrus", "rtl8139", "isa-serial", "isa-serial", "isa"),
        ("s390x", "virtio", "virtio", "sclp-serial", "sclpconsole", "s390"),
        ("pseries", "vga", "rtl8139", "spapr-vio-serial", "spapr-vty", "pseries"),
        ("arm", "virtio", "virtio", "system-serial", "pl011", "pvpanic"),
        ("riscv", "virtio", "virtio", "system-serial", "16550a", None),
        ("loongarch", "virtio", "virtio", "system-serial", "16550a", None),
        ("versatile", "cirrus", "smc91c111", None, None, None),
        ("vexpress", "cirrus", "lan9118", None, None, None),
    ],
)
def test_models_that_are_not_said_follow_the_machine(
    machine: str, video: str, card: str, serial: str | None, model: str | None, panic: str | None
) -> None:
    xml = "<video/><interface type='user'/><serial type='pty'><target type='isa-serial'/></serial>"
    devices = filled(machine, xml + ("<panic/>" if panic else "")).devices
    assert devices.videos[0].model is not None
    assert devices.videos[0].model.type == video
    assert devices.videos[0].model.primary
    assert devices.interfaces[0].model is not None
    assert devices.interfaces[0].model.type == card
    target = devices.serials[0].target
    assert target is not None
    assert (target.type, target.model) == (serial, model)
    assert [each.model for each in devices.panics] == ([panic] if panic else [])


def test_a_panic_device_without_a_default_is_refused() -> None:
    with pytest.raises(ConfigUnsupported, match="no panic model provided"):
        filled("riscv", "<panic/>")


@pytest.mark.parametrize("kind", ["<interface type='vdpa'><source dev='/dev/v'/></interface>"])
def test_a_card_that_only_virtio_can_be_is_virtio(kind: str) -> None:
    model = filled("pc", kind).devices.interfaces[0].model
    assert model is not None
    assert model.type == "virtio"


@pytest.mark.parametrize(
    ("machine", "model", "backend", "filled_model", "version"),
    [
        ("pc", "", "emulator", "tpm-tis", "1.2"),
        ("pc", "model='tpm-crb'", "emulator", "tpm-crb", "2.0"),
        ("arm", "", "emulator", "tpm-tis", "2.0"),
        ("pseries", "", "emulator", "tpm-spapr", "2.0"),
        ("pseries", "", "passthrough", "spapr-tpm-proxy", None),
    ],
)
def test_modules_follow_the_machine(
    machine: str, model: str, backend: str, filled_model: str, version: str | None
) -> None:
    tpm = filled(machine, f"<tpm {model}><backend type='{backend}'/></tpm>").devices.tpms[0]
    assert (tpm.model, tpm.backend.version) == (filled_model, version)


@pytest.mark.parametrize(
    ("graphics", "display", "kind"),
    [
        ("", DisplaySettings(), AudioType.NONE),
        ("", DisplaySettings(host_audio="alsa", host_audio_without_graphics=True), AudioType.ALSA),
        (VNC, DisplaySettings(host_audio="alsa", host_audio_without_graphics=True), AudioType.NONE),
        (VNC, DisplaySettings(host_audio="alsa", host_audio_with_vnc=True), AudioType.ALSA),
        (f"{VNC}<graphics type='spice'/>", DisplaySettings(), AudioType.SPICE),
        ("<graphics type='egl-headless'/>", DisplaySettings(), None),
        ("<graphics type='sdl'/>", DisplaySettings(), None),
        ("<graphics type='sdl'/>", DisplaySettings(host_audio="pa"), AudioType.PULSEAUDIO),
    ],
)
def test_sound_goes_where_the_screen_is(graphics: str, display: DisplaySettings, kind: AudioType | None) -> None:
    audios = filled("pc", graphics, settings=replace(SETTINGS, display=display)).devices.audios
    assert [each.type for each in audios] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("path", "stays"),
    [
        ("/lib/channel/target/domain-7-a/agent", False),
        ("/run/channel/7-a/agent", False),
        ("/run/channel/7-a/other", True),
        ("/tmp/agent", True),
    ],
)
def test_only_sockets_that_a_start_made_are_forgotten(path: str, stays: bool) -> None:
    settings = replace(SETTINGS, library=Path("/lib"), channels=Path("/run/channel"))
    xml = f"<channel type='unix'><source mode='bind' path='{path}'/><target type='virtio' name='agent'/></channel>"
    assert bool(filled("pc", xml, settings=settings).devices.channels[0].sources) is stays


def test_a_generated_vnc_socket_becomes_a_port() -> None:
    xml = "<graphics type='vnc'><listen type='socket' socket='/lib/domain-1-a/vnc.sock'/></graphics>"
    graphics = filled("pc", xml, settings=replace(SETTINGS, library=Path("/lib"))).devices.graphics[0]
    assert (graphics.autoport, graphics.port, graphics.listens[0].type) == (True, -1, "address")


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<model type='ivshmem-doorbell'/>", "is supported only with server option enabled"),
        ("<model type='ivshmem-plain'/><server path='/s'/>", "is supported only with server option disabled"),
        (
            "<model type='ivshmem-doorbell'/><size unit='M'>4</size><server path='/s'/>",
            "does not support size setting",
        ),
    ],
)
def test_shared_memory_that_contradicts_its_model_is_refused(inside: str, words: str) -> None:
    with pytest.raises(ConfigUnsupported, match=words):
        filled("pc", f"<shmem name='s'>{inside}</shmem>")


def test_shared_memory_has_a_size_or_interrupts() -> None:
    plain = filled("pc", "<shmem name='s'><model type='ivshmem-plain'/></shmem>").devices.shmems[0]
    bell = filled("pc", "<shmem name='s'><model type='ivshmem-doorbell'/><server/></shmem>").devices.shmems[0]
    assert plain.size == 4
    assert bell.msi is not None
    assert bell.msi.ioeventfd is True


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("type='qxl' vram='70000'", (65536, 131072, 16384)),
        ("type='vga'", (None, 16384, None)),
        ("type='none'", 3 * (None,)),
    ],
)
def test_memory_of_video_cards(asked: str, given: tuple[int | None, ...]) -> None:
    model = filled("pc", f"<video><model {asked}/></video>").devices.videos[0].model
    assert model is not None
    assert (model.ram, model.vram, model.vgamem) == given


def test_what_lasts_is_named_by_the_domain() -> None:
    pstore = filled("pc", "<pstore backend='acpi-erst'><size unit='KiB'>8</size></pstore>").devices.pstore
    assert pstore is not None
    assert pstore.path == str(SETTINGS.nvram / "a_PSTORE.raw")
    module = "<memory model='nvdimm'><source><path>/x</path></source><target><size>1</size></target></memory>"
    assert filled("pseries", module).devices.memories[0].uuid is not None
    assert filled("pc", module).devices.memories[0].uuid is None
