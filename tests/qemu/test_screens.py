"""Displays, video cards and sound: what QEMU is told of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.qemu.alone import capabilities, context, device_of, words
from virtbus.domain import Domain
from virtbus.domain.devices import parse_device
from virtbus.domain.graphics import Graphics, ListenType
from virtbus.errors import ConfigUnsupported, InternalError, VirtbusError
from virtbus_qemu import displays, provided
from virtbus_qemu.checks.displays import check_audios, check_graphics, check_video
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.command import audio, describe, graphics
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.settings import DisplaySettings, QemuSettings, TlsSettings

PLACE = "<address type='pci' bus='0x01' slot='0x02'/>"
HERE = "<listen type='address' address='127.0.0.1'/>"
FOLDER = DomainFolder(Path("/run/screens"), UUID(int=1))
TLS = TlsSettings(enabled=True, folder=Path("/pki"), verify=True)


def with_display(**changes: Any) -> QemuSettings:
    return QemuSettings(display=replace(DisplaySettings(), **changes))


def vnc(inside: str = HERE, attributes: str = "port='5901'") -> str:
    return f"<graphics type='vnc' {attributes}>{inside}</graphics>"


def spice(inside: str = HERE, attributes: str = "port='5901'") -> str:
    return f"<graphics type='spice' {attributes}>{inside}</graphics>"


@pytest.mark.parametrize(
    ("xml", "option"),
    [
        (vnc(), "127.0.0.1:1"),
        (vnc("<listen type='address' address='::1'/>"), "[::1]:1"),
        (vnc("<listen type='socket' socket='/a,b.sock'/>"), "vnc=unix:/a,,b.sock"),
        (vnc("<listen type='none'/>"), "none"),
        (vnc(HERE, "port='5901' websocket='5700'"), "127.0.0.1:1,websocket=5700"),
        (vnc(HERE, "port='5901' sharePolicy='force-shared'"), "127.0.0.1:1,share=force-shared"),
        (vnc(HERE, "port='5901' powerControl='no' passwd='x'"), "127.0.0.1:1,power-control=off,password=on"),
    ],
)
def test_a_vnc_server(xml: str, option: str) -> None:
    assert words(xml) == ["-vnc", option]


def test_a_vnc_server_with_certificates_sasl_and_sound() -> None:
    settings = with_display(vnc_tls=TLS, vnc_sasl=True, sasl=Path("/sasl"))
    where = context(settings=settings, devices=f"<audio id='3' type='none'/>{vnc()}")
    argv = words(vnc(HERE, "port='5901' keymap='de'"), where)
    assert json.loads(argv[1])["dir"] == "/pki"
    assert argv[2:] == ["-vnc", "127.0.0.1:1,tls-creds=vnc-tls-creds0,sasl=on,audiodev=audio3", "-k", "de"]
    assert graphics.environment(where.domain, settings) == {"SASL_CONF_PATH": "/sasl"}


@pytest.mark.parametrize("kind", ["vnc", "spice"])
def test_with_an_empty_password_nobody_may_look(kind: str) -> None:
    parts = describe(parse_device(f"<graphics type='{kind}' port='5901' passwd=''>{HERE}</graphics>"), context())
    assert parts.settle[0].arguments["password"] == ""
    assert ("password=on" in parts.options[1]) is (kind == "vnc")
    assert "disable-ticketing" not in parts.options[1]


def test_a_password_is_told_over_the_monitor() -> None:
    parts = describe(parse_device(vnc(HERE, "port='5901' passwd='pw' passwdValidTo='2030-01-01T00:00:00'")), context())
    assert [(each.execute, dict(each.arguments)) for each in parts.settle] == [
        ("set_password", {"protocol": "vnc", "password": "pw"}),
        ("expire_password", {"protocol": "vnc", "time": "1893456000"}),
    ]
    assert "pw" not in " ".join(parts.arguments())


@pytest.mark.parametrize(
    ("xml", "options"),
    [
        (spice(), "port=5901,addr=127.0.0.1"),
        (spice("<listen type='socket' socket='/s'/>"), "unix=on,addr=/s"),
        (spice("<listen type='none'/>", ""), "port=0"),
        (spice(HERE, "port='5901' tlsPort='5902'"), "port=5901,tls-port=5902,addr=127.0.0.1"),
        (spice(HERE + "<mouse mode='client'/>"), "port=5901,addr=127.0.0.1,agent-mouse=on"),
    ],
)
def test_where_a_spice_server_listens(xml: str, options: str) -> None:
    argv = words(xml, context(settings=with_display(spice_tls=TLS, spice_password="x")))
    secure = ",x509-dir=/pki" if "tlsPort" in xml else ""
    assert argv == ["-spice", f"{options}{secure},seamless-migration=on"]


def test_channels_compression_and_drawing_of_a_spice_server() -> None:
    inside = (
        f"{HERE}<channel name='inputs' mode='insecure'/><channel name='main' mode='secure'/>"
        "<image compression='off'/><playback compression='on'/><clipboard copypaste='no'/>"
        "<filetransfer enable='no'/><gl enable='yes' rendernode='/dev/dri/a,b'/>"
    )
    argv = words(spice(inside, "port='1' tlsPort='2'"), context(settings=with_display(spice_tls=TLS)))
    assert argv[1].split(",", 3)[3] == (
        "disable-ticketing=on,x509-dir=/pki,tls-channel=main,plaintext-channel=inputs,image-compression=off,"
        "playback-compression=on,disable-copy-paste=on,disable-agent-file-xfer=on,gl=on,rendernode=/dev/dri/a,,b,"
        "seamless-migration=on"
    )


@pytest.mark.parametrize(
    ("xml", "refusal"),
    [
        (spice(HERE + "<channel name='main' mode='secure'/>"), "spice secure channels set"),
        (spice(HERE, "port='1' defaultMode='secure'"), "spice defaultMode secure requested"),
        (spice("<listen type='none'/>", "defaultMode='insecure'"), "spice defaultMode insecure requested"),
        (spice(HERE, "tlsPort='5'"), "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf"),
        (vnc(HERE + HERE), "QEMU does not support multiple listens for one graphics device"),
    ],
)
def test_servers_that_cannot_be(xml: str, refusal: str) -> None:
    with pytest.raises(ConfigUnsupported, match=refusal):
        words(xml)


@pytest.mark.parametrize(
    ("xml", "argv"),
    [
        ("<graphics type='sdl' fullscreen='yes'/>", ["-full-screen", "-display", "sdl"]),
        ("<graphics type='egl-headless'><gl rendernode='/n'/></graphics>", ["-display", "egl-headless,rendernode=/n"]),
        ("<graphics type='dbus' p2p='yes'><audio id='2'/></graphics>", ["-display", "dbus,p2p=on,audiodev=audio2"]),
        ("<graphics type='dbus'/>", ["-display", "dbus,addr=unix:path=/run/virtbus/qemu/dbus/-1-streams-dbus.sock"]),
        ("<graphics type='rdp'/>", []),
    ],
)
def test_other_displays(xml: str, argv: list[str]) -> None:
    assert words(xml) == argv


def test_a_window_opens_where_its_definition_says() -> None:
    domain = context(devices="<graphics type='sdl' display=':1' xauth='/x'/>").domain
    assert graphics.environment(domain, QemuSettings()) == {"XAUTHORITY": "/x", "DISPLAY": ":1"}


def prepared(
    xml: str, settings: QemuSettings | None = None, *, choose: bool = False, taken: tuple[int, ...] = ()
) -> Any:
    domain: Domain = context(devices=xml).domain
    displays.prepare(domain, FOLDER, settings or QemuSettings(), choose_ports=choose, taken=taken)
    return domain.devices.graphics[0]


def test_open_addresses_are_the_settings() -> None:
    first = prepared(vnc("<listen type='address'/>")).listens[0]
    assert (first.address, first.from_config) == ("127.0.0.1", True)
    first = prepared(vnc("<listen type='address'/>"), with_display(vnc_auto_socket=True)).listens[0]
    assert (first.type, first.socket) == (ListenType.SOCKET, "/run/screens/vnc.sock")


def test_ports_are_chosen_for_a_start_and_stood_in_for_on_a_trial() -> None:
    assert prepared(vnc(HERE, "port='-1' autoport='yes'")).port == 5900
    first = prepared(vnc(HERE, "port='-1' autoport='yes'"), choose=True).port
    assert prepared(vnc(HERE, "port='-1' autoport='yes'"), choose=True, taken=(first,)).port > first


def test_a_vnc_server_gets_a_port_for_browsers() -> None:
    device = prepared(vnc(HERE, "port='-1' autoport='yes' websocket='-1'"), choose=True, taken=(5700,))
    assert device.websocket > 5700


@pytest.mark.parametrize(
    ("inside", "encrypted", "ports"),
    [
        ("", False, (5901, None)),
        ("", True, (5901, 5902)),
        ("<channel name='main' mode='secure'/>", False, (5901, 5902)),
    ],
)
def test_a_spice_server_gets_the_ports_that_its_channels_need(
    inside: str, encrypted: bool, ports: tuple[int, int | None]
) -> None:
    settings = with_display(spice_tls=replace(TLS, enabled=encrypted))
    device = prepared(spice(HERE + inside, "autoport='yes'"), settings)
    assert (device.port, device.tls_port) == ports


def test_drawing_is_done_on_a_device_of_the_host() -> None:
    settings = with_display(render_node=Path("/dev/dri/mine"))
    assert prepared("<graphics type='egl-headless'/>", settings).gl.render_node == "/dev/dri/mine"
    assert prepared("<graphics type='egl-headless'><gl rendernode='/o'/></graphics>", settings).gl.render_node == "/o"
    assert prepared("<graphics type='dbus' p2p='yes'/>", settings).gl is None


def card(model: str, rest: str = "") -> dict[str, Any]:
    return device_of(words(f"<video>{rest}<model {model}</video>".replace("</video>", f"{PLACE}</video>")))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("type='vga' vram='16384' primary='yes'/>", {"driver": "VGA", "vgamem_mb": 16}),
        ("type='cirrus' vram='16384' primary='yes'/>", {"driver": "cirrus-vga"}),
        ("type='bochs' vram='16384' primary='yes'/>", {"driver": "bochs-display", "vgamem": 16777216}),
        (
            "type='qxl' ram='65536' vram='32768' vgamem='8192' heads='2' primary='yes'/>",
            {"driver": "qxl-vga", "max_outputs": 2, "ram_size": 67108864, "vram_size": 33554432, "vgamem_mb": 8},
        ),
        ("type='virtio' heads='1' primary='yes'/>", {"driver": "virtio-vga", "max_outputs": 1}),
        (
            "type='virtio' heads='1' primary='yes'><acceleration accel3d='yes'/></model>",
            {"driver": "virtio-vga-gl", "max_outputs": 1},
        ),
        (
            "type='vga' primary='yes'><resolution x='800' y='600'/></model>",
            {"driver": "VGA", "xres": 800, "yres": 600},
        ),
    ],
)
def test_video_cards(model: str, expected: dict[str, Any]) -> None:
    found = card(model)
    assert {name: found.get(name) for name in expected} == expected
    assert (found["id"], found["bus"], found["addr"]) == ("dev0", "pci.1", "0x2")


def test_a_virtio_card_without_vga_obeys_virtios_options() -> None:
    known = capabilities(less=("virtio-vga",))
    xml = f"<video><driver iommu='on' packed='off'/><model type='virtio' primary='yes'/>{PLACE}</video>"
    found = device_of(words(xml, context(known=known)))
    assert list(found)[:4] == ["driver", "iommu_platform", "packed", "id"]
    assert found["driver"] == "virtio-gpu-pci"


def test_a_card_that_another_process_draws() -> None:
    argv = words(f"<video><driver name='vhostuser'/><model type='virtio' primary='yes'/>{PLACE}</video>")
    assert argv[:2] == ["-chardev", "socket,id=chr-vu-dev0,path=/run/streams/dev0-vhost-user-gpu.sock"]
    assert (device_of(argv)["driver"], device_of(argv)["chardev"]) == ("vhost-user-vga", "chr-vu-dev0")


def test_no_video_card() -> None:
    assert words("<video><model type='none'/></video>") == []


def refusal(xml: str, *, less: tuple[str, ...] = (), others: str = "") -> str | None:
    domain = context(devices=others + xml).domain
    scene = Scene(domain, capabilities(less=less), QemuSettings())
    device = (domain.devices.graphics or domain.devices.videos)[-1] if "<audio" not in xml else None
    check: Any = check_graphics if isinstance(device, Graphics) else check_video
    problems = check_audios(scene) if device is None else check(scene, "/domain/devices/x", device)
    first: VirtbusError | None = next(iter(problems), None)
    return None if first is None else first.wording


@pytest.mark.parametrize(
    ("xml", "less", "expected"),
    [
        (spice(), ("spice",), "spice graphics are not supported with this QEMU"),
        (vnc(HERE, "port='1' passwd='123456789'"), (), "VNC password is 9 characters long, only 8 permitted"),
        (vnc(HERE, "port='1' powerControl='yes'"), ("vnc-power-control",), "VNC power control is not available"),
        (spice(HERE + "<gl enable='yes'/>"), ("spice-gl",), "This QEMU doesn't support spice OpenGL"),
        (
            "<video><model type='vga' heads='2' primary='yes'/></video>",
            (),
            "video type 'vga' doesn't support multiple 'heads'",
        ),
        (
            "<video><model type='virtio' blob='on' primary='yes'/></video>",
            (),
            "'blob' support for virtio-gpu devices requires a memfd memory backend",
        ),
        (
            "<video><model type='vga' primary='yes'><acceleration accel3d='yes'/></model></video>",
            (),
            "3d acceleration is supported only with 'virtio' video device",
        ),
        ("<audio id='1' type='spice'/>", (), "Spice audio is not supported without spice graphics"),
    ],
)
def test_what_this_qemu_cannot_show(xml: str, less: tuple[str, ...], expected: str) -> None:
    assert refusal(xml, less=less) == f"unsupported configuration: {expected}"


def test_a_second_card_must_be_one_that_stands_beside_another() -> None:
    first = "<video><model type='vga' primary='yes'/></video>"
    xml = "<video><model type='cirrus'/></video>"
    assert refusal(xml, others=first) == (
        "unsupported configuration: video type 'cirrus' is only valid as primary video device"
    )
    assert refusal("<video><model type='qxl'/></video>", others=first) is None


@pytest.mark.parametrize(
    "xml",
    [
        "<graphics type='rdp'/>",
        "<graphics type='dbus'/>",
        vnc("<listen type='network' network='default'/>"),
        "<video><driver name='vhostuser'/><model type='virtio'/></video>",
        "<hostdev mode='subsystem' type='pci' managed='yes'><source><address bus='1'/></source></hostdev>",
    ],
)
def test_what_the_worker_does_not_provide_is_refused(xml: str) -> None:
    with pytest.raises(ConfigUnsupported) as caught:
        provided.check(context(devices=xml).domain)
    assert caught.value.hint


def audiodev(xml: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(list(audio.options(context(devices=xml)))[1])
    return found


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<audio id='1' type='none'/>", {"id": "audio1", "driver": "none"}),
        ("<audio id='2' type='file' path='/w'/>", {"id": "audio2", "driver": "wav", "path": "/w"}),
        (
            "<audio id='1' type='pulseaudio' serverName='s' timerPeriod='5'><input name='n' latency='7'/></audio>",
            {
                "id": "audio1",
                "driver": "pa",
                "timer-period": 5,
                "server": "s",
                "in": {"name": "n", "latency": 7},
            },
        ),
        (
            "<audio id='1' type='alsa'><output mixingEngine='yes' voices='2' dev='hw:0' tryPoll='no'>"
            "<settings frequency='44100' channels='2' format='s16'/></output></audio>",
            {
                "id": "audio1",
                "driver": "alsa",
                "out": {
                    "mixing-engine": True,
                    "voices": 2,
                    "frequency": 44100,
                    "channels": 2,
                    "format": "s16",
                    "dev": "hw:0",
                    "try-poll": False,
                },
            },
        ),
    ],
)
def test_the_hosts_sound(xml: str, expected: dict[str, Any]) -> None:
    found = audiodev(xml)
    assert found == expected
    assert list(found) == list(expected)


def test_where_pipewire_is_found() -> None:
    domain = context(devices="<audio id='1' type='pipewire'/>").domain
    assert audio.environment(domain, QemuSettings()) == {}
    settings = with_display(pipewire=Path("/run/user/7"))
    assert audio.environment(domain, settings) == {"PIPEWIRE_RUNTIME_DIR": "/run/user/7"}


def sound(model: str, inside: str = "") -> list[str]:
    where = context(devices="<audio id='1' type='none'/><audio id='2' type='alsa'/>")
    return words(f"<sound model='{model}'>{inside}{PLACE}</sound>", where)


def test_sound_cards_play_on_the_first_end_or_on_the_named_one() -> None:
    assert device_of(sound("ac97"))["audiodev"] == "audio1"
    assert device_of(sound("es1370", "<audio id='2'/>"))["audiodev"] == "audio2"
    assert sound("pcspk") == []


def test_a_card_with_codecs_has_one_for_both_directions_unless_told() -> None:
    assert json.loads(sound("ich9")[3])["driver"] == "hda-duplex"
    argv = sound("ich6", "<codec type='micro'/><codec type='output'/>")
    assert "audiodev" not in json.loads(argv[1])
    assert [json.loads(text)["driver"] for text in argv[3::2]] == ["hda-micro", "hda-output"]
    assert json.loads(argv[5]) == {
        "driver": "hda-output",
        "id": "dev0-codec1",
        "bus": "dev0.0",
        "cad": 1,
        "audiodev": "audio1",
    }


def test_a_card_without_a_host_end_is_refused() -> None:
    with pytest.raises(InternalError, match="unable to find audio backend"):
        words(f"<sound model='ac97'>{PLACE}</sound>")
