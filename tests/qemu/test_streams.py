"""The host's ends of streams, in both syntaxes of -chardev, and the guest's side of ports, consoles and channels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.qemu.alone import capabilities, context, device_of, words
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.settings import Descriptors, QemuSettings, TlsSettings

ENDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "null": ("<serial type='null'/>", "null,id=chardev0", {}),
    "vc": ("<serial type='vc'/>", "vc,id=chardev0", {}),
    "pty": ("<serial type='pty'/>", "pty,id=chardev0", {}),
    "stdio": ("<serial type='stdio'/>", "stdio,id=chardev0", {}),
    "file": (
        "<serial type='file'><source path='/tmp/a,b' append='off'/></serial>",
        "file,id=chardev0,path=/tmp/a,,b,append=off",
        {"out": "/tmp/a,b", "append": False},
    ),
    "dev": (
        "<serial type='dev'><source path='/dev/ttyS5'/></serial>",
        "serial,id=chardev0,path=/dev/ttyS5",
        {"device": "/dev/ttyS5"},
    ),
    "pipe": (
        "<serial type='pipe'><source path='/tmp/p'/></serial>",
        "pipe,id=chardev0,path=/tmp/p",
        {"device": "/tmp/p"},
    ),
    "udp": (
        "<serial type='udp'><source mode='connect' host='far' service='1'/></serial>",
        "udp,id=chardev0,host=far,port=1,localaddr=,localport=0",
        {"remote": {"type": "inet", "data": {"host": "far", "port": "1"}}},
    ),
    "udp bound": (
        "<serial type='udp'><source mode='bind' host='near' service='2'/><source mode='connect' service='1'/></serial>",
        "udp,id=chardev0,host=,port=1,localaddr=near,localport=2",
        {
            "remote": {"type": "inet", "data": {"host": "", "port": "1"}},
            "local": {"type": "inet", "data": {"host": "near", "port": "2"}},
        },
    ),
    "tcp": (
        "<serial type='tcp'><source mode='connect' host='far' service='1'/><protocol type='raw'/></serial>",
        "socket,id=chardev0,host=far,port=1",
        {"addr": {"type": "inet", "data": {"host": "far", "port": "1"}}, "telnet": False, "server": False},
    ),
    "telnet": (
        "<serial type='tcp'><source mode='bind' host='near' service='1'/><protocol type='telnet'/></serial>",
        "socket,id=chardev0,host=near,port=1,telnet=on,server=on,wait=off",
        {
            "addr": {"type": "inet", "data": {"host": "near", "port": "1"}},
            "telnet": True,
            "server": True,
            "wait": False,
        },
    ),
    "unix": (
        "<serial type='unix'><source mode='bind' path='/tmp/s'/></serial>",
        "socket,id=chardev0,path=/tmp/s,server=on,wait=off",
        {"addr": {"type": "unix", "data": {"path": "/tmp/s"}}, "server": True, "wait": False},
    ),
    "spiceport": (
        "<serial type='spiceport'><source channel='a.b'/></serial>",
        "spiceport,id=chardev0,name=a.b",
        {"fqdn": "a.b"},
    ),
    "dbus": ("<serial type='dbus'><source channel='a.b'/></serial>", "dbus,id=chardev0,name=a.b", {"name": "a.b"}),
    "qemu-vdagent": (
        "<serial type='qemu-vdagent'><source><clipboard copypaste='yes'/><mouse mode='client'/></source></serial>",
        "qemu-vdagent,id=chardev0,name=vdagent,clipboard=on,mouse=on",
        {"clipboard": True, "mouse": True},
    ),
    "log": (
        "<serial type='pty'><log file='/tmp/l' append='on'/></serial>",
        "pty,id=chardev0,logfile=/tmp/l,logappend=on",
        {"logfile": "/tmp/l", "logappend": True},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_in_the_older_syntax(name: str) -> None:
    xml, older, _ = ENDS[name]
    argv = words(xml)
    assert argv[:2] == ["-chardev", older]


@pytest.mark.parametrize("name", ENDS)
def test_an_end_as_json_where_qemu_takes_it(name: str) -> None:
    xml, _, data = ENDS[name]
    option, text = words(xml, context(known=capabilities(more=("chardev.json",))))[:2]
    said = json.loads(text)
    assert (option, said["id"], said["backend"]["data"]) == ("-chardev", "chardev0", data)


@pytest.mark.parametrize(
    ("flags", "said"),
    [((), "reconnect=7"), (("chardev-reconnect-miliseconds",), "reconnect-ms=7000")],
)
def test_a_lost_connection_is_tried_again_in_the_unit_that_qemu_knows(flags: tuple[str, ...], said: str) -> None:
    xml = (
        "<serial type='unix'><source mode='connect' path='/s'><reconnect enabled='yes' timeout='7'/></source></serial>"
    )
    known = capabilities(more=flags, less=() if flags else ("chardev-reconnect-miliseconds",))
    assert words(xml, context(known=known))[1] == f"socket,id=chardev0,path=/s,{said}"


def test_opened_files_and_sockets_are_handed_over_by_number() -> None:
    settings = QemuSettings(descriptors=Descriptors(sockets=9, first_file=20))
    where = context(settings=settings)
    logged = "<serial type='file'><source path='/tmp/f'/><log file='/tmp/l'/></serial>"
    assert words(logged, where)[:6] == [
        *("-add-fd", "set=0,fd=20,opaque=dev0-source"),
        *("-add-fd", "set=1,fd=21,opaque=dev0-log"),
        *("-chardev", "file,id=chardev0,path=/dev/fdset/0,append=on,logfile=/dev/fdset/1,logappend=on"),
    ]
    listening = "<serial type='unix'><source mode='bind' path='/tmp/s'/></serial>"
    assert words(listening, where)[1] == "socket,id=chardev0,fd=9,server=on,wait=off"
    connecting = listening.replace("bind", "connect")
    assert words(connecting, where)[1] == "socket,id=chardev0,path=/tmp/s"


@pytest.mark.parametrize(
    ("attribute", "enabled", "encrypted"),
    [("", True, True), ("", False, False), ("tls='yes'", False, True), ("tls='no'", True, False)],
)
def test_a_connection_is_encrypted_where_it_or_the_settings_say_so(
    attribute: str, enabled: bool, encrypted: bool
) -> None:
    tls = replace(QemuSettings().chardev_tls, enabled=enabled)
    xml = f"<serial type='tcp'><source mode='connect' host='h' service='1' {attribute}/></serial>"
    argv = words(xml, context(settings=QemuSettings(chardev_tls=tls)))
    assert ("-object" in argv) is encrypted
    assert ("tls-creds=objchardev0_tls0" in " ".join(argv)) is encrypted


@pytest.mark.parametrize(
    ("mode", "verify", "endpoint", "verified"),
    [("bind", False, "server", False), ("bind", True, "server", True), ("connect", False, "client", True)],
)
def test_a_client_looks_at_the_server_and_a_server_at_clients_if_told(
    mode: str, verify: bool, endpoint: str, verified: bool
) -> None:
    tls = TlsSettings(enabled=True, folder=Path("/pki"), verify=verify)
    xml = f"<serial type='tcp'><source mode='{mode}' host='h' service='1'/></serial>"
    argv = words(xml, context(settings=QemuSettings(chardev_tls=tls)))
    assert json.loads(argv[1]) == {
        "qom-type": "tls-creds-x509",
        "id": "objchardev0_tls0",
        "dir": "/pki",
        "endpoint": endpoint,
        "verify-peer": verified,
    }


@pytest.mark.parametrize(
    ("xml", "less", "message"),
    [
        (
            "<serial type='tcp'><source mode='bind' host='h' service='1'/><protocol type='tls'/></serial>",
            (),
            "tcp chardev protocol 'tls' not supported",
        ),
        ("<serial type='nmdm'><source master='/a' slave='/b'/></serial>", (), "unsupported chardev 'nmdm'"),
        (
            "<serial type='dbus'><source channel='a'/></serial>",
            ("display-dbus",),
            "chardev 'dbus' not supported in this QEMU binary",
        ),
    ],
)
def test_an_end_that_qemu_has_not_is_refused(xml: str, less: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigUnsupported) as refusal:
        words(xml, context(known=capabilities(less=less)))
    assert refusal.value.message == message


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("<target type='isa-serial' port='3'/>", {"driver": "isa-serial", "index": 3}),
        ("<target type='usb-serial' port='3'/>", {"driver": "usb-serial"}),
        ("<target type='sclp-serial' port='0'><model name='sclplmconsole'/></target>", {"driver": "sclplmconsole"}),
        (
            "<target type='isa-debug'/><address type='isa' iobase='0x402'/>",
            {"driver": "isa-debugcon", "iobase": 0x402},
        ),
        (
            "<target type='spapr-vio-serial'/><address type='spapr-vio' reg='0x30000000'/>",
            {"driver": "spapr-vty", "reg": 0x30000000},
        ),
    ],
)
def test_a_serial_port(target: str, expected: dict[str, Any]) -> None:
    guest = device_of(words(f"<serial type='pty'>{target}</serial>"))
    assert guest == {**expected, "chardev": "chardev0", "id": "dev0"}


@pytest.mark.parametrize(
    "target", ["<target type='system-serial'><model name='pl011'/></target>", "<target port='0'/>"]
)
def test_a_port_of_the_board_is_connected_not_made(target: str) -> None:
    assert words(f"<serial type='pty'>{target}</serial>")[2:] == ["-serial", "chardev:chardev0"]


def test_a_parallel_port_of_the_host_is_no_serial_one() -> None:
    argv = words("<parallel type='dev'><source path='/dev/parport0'/></parallel>")
    assert argv[1] == "parallel,id=chardev0,path=/dev/parport0"
    assert device_of(argv) == {"driver": "isa-parallel", "chardev": "chardev0", "id": "dev0"}


def test_a_channel_of_spice_is_named_after_its_agent() -> None:
    channel = "<channel type='spicevmc'><target type='virtio'{}/></channel>"
    assert device_of(words(channel.format("")))["name"] == "com.redhat.spice.0"
    with pytest.raises(ConfigUnsupported, match="Unsupported spicevmc target name 'mine'"):
        words(channel.format(" name='mine'"))


def test_an_address_of_the_guests_network_leads_to_a_stream() -> None:
    argv = words(
        "<channel type='pipe'><source path='/p'/><target type='guestfwd' address='10.0.2.1' port='46'/></channel>"
    )
    assert argv[2] == "-netdev"
    assert json.loads(argv[3]) == {
        "type": "user",
        "guestfwd": [{"str": "tcp:10.0.2.1:46-chardev:chardev0"}],
        "id": "dev0",
    }
    assert len(argv) == 4
