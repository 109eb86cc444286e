"""Devices described alone: TPMs, random numbers, smartcards, redirected USB devices, vsock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.qemu.alone import capabilities, context, device_of, words
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.settings import Descriptors, QemuSettings

PLACE = "<address type='pci' bus='0x01' slot='0x02'/>"


def objects_of(argv: list[str]) -> list[dict[str, Any]]:
    return [json.loads(argv[place + 1]) for place, word in enumerate(argv) if word == "-object"]


@pytest.mark.parametrize(
    ("backend", "socket"),
    [
        ("<backend type='emulator' version='2.0'/>", "/run/streams/swtpm.sock"),
        ("<backend type='external'><source type='unix' mode='connect' path='/mine'/></backend>", "/mine"),
    ],
)
def test_an_emulated_tpm_is_behind_a_socket(backend: str, socket: str) -> None:
    assert words(f"<tpm model='tpm-crb'>{backend}</tpm>", alias="tpm0")[:4] == [
        *("-chardev", f"socket,id=chrtpm,path={socket}"),
        *("-tpmdev", "emulator,id=tpm-tpm0,chardev=chrtpm"),
    ]


def test_the_hosts_tpm_is_opened_by_path_or_handed_over() -> None:
    xml = "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm3'/></backend></tpm>"
    cancel = "/sys/class/tpm/tpm3/device/cancel"
    by_path = words(xml, alias="tpm0")
    assert by_path[:2] == ["-tpmdev", f"passthrough,id=tpm-tpm0,path=/dev/tpm3,cancel-path={cancel}"]
    handed = words(xml, context(settings=QemuSettings(descriptors=Descriptors(tpm=8))), alias="tpm0")
    assert handed[:6] == [
        *("-add-fd", "set=0,fd=8,opaque=tpm0-tpm"),
        *("-add-fd", "set=1,fd=9,opaque=tpm0-cancel"),
        *("-tpmdev", "passthrough,id=tpm-tpm0,path=/dev/fdset/0,cancel-path=/dev/fdset/1"),
    ]


@pytest.mark.parametrize(
    ("model", "arch", "driver"),
    [("tpm-tis", "x86_64", "tpm-tis"), ("tpm-tis", "aarch64", "tpm-tis-device"), ("tpm-crb", "x86_64", "tpm-crb")],
)
def test_a_tpms_driver_depends_on_the_board(model: str, arch: str, driver: str) -> None:
    xml = f"<tpm model='{model}'><backend type='emulator'/></tpm>"
    guest = device_of(words(xml, context(arch=arch, machine="virt"), alias="tpm0"))
    assert guest == {"driver": driver, "tpmdev": "tpm-tpm0", "id": "tpm0"}


def test_a_proxy_of_the_hosts_tpm_has_no_backend() -> None:
    xml = "<tpm model='spapr-tpm-proxy'><backend type='passthrough'><device path='/dev/tpmrm0'/></backend></tpm>"
    assert words(xml)[0] == "-device"
    assert device_of(words(xml)) == {"driver": "spapr-tpm-proxy", "id": "dev0", "host-path": "/dev/tpmrm0"}


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("<backend model='random'>/dev/hwrng</backend>", {"qom-type": "rng-random", "filename": "/dev/hwrng"}),
        ("<backend model='builtin'/>", {"qom-type": "rng-builtin"}),
    ],
)
def test_where_random_numbers_come_from(backend: str, expected: dict[str, str]) -> None:
    argv = words(f"<rng model='virtio'>{backend}{PLACE}</rng>")
    assert objects_of(argv) == [{**expected, "id": "objdev0"}]


def test_random_numbers_of_a_daemon_come_over_a_stream_within_their_rate() -> None:
    argv = words(
        "<rng model='virtio'><rate bytes='5' period='7'/><backend model='egd' type='tcp'>"
        f"<source mode='connect' host='h' service='1'/></backend><driver packed='on'/>{PLACE}</rng>"
    )
    assert argv[:2] == ["-chardev", "socket,id=chardev0,host=h,port=1"]
    assert objects_of(argv) == [{"qom-type": "rng-egd", "id": "objdev0", "chardev": "chardev0"}]
    assert json.dumps(device_of(argv)) == json.dumps(
        {
            "driver": "virtio-rng-pci",
            "packed": True,
            "rng": "objdev0",
            "id": "dev0",
            "max-bytes": 5,
            "period": 7,
            "bus": "pci.1",
            "addr": "0x2",
        }
    )


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<smartcard mode='host'/>", {"driver": "ccid-card-emulated", "backend": "nss-emulated"}),
        (
            "<smartcard mode='host-certificates'><certificate>a</certificate><certificate>b,c</certificate>"
            "<certificate>d</certificate></smartcard>",
            {
                "driver": "ccid-card-emulated",
                "backend": "certificates",
                "cert1": "a",
                "cert2": "b,c",
                "cert3": "d",
                "db": "/etc/pki/nssdb",
            },
        ),
        (
            "<smartcard mode='passthrough' type='spicevmc'/>",
            {"driver": "ccid-card-passthru", "chardev": "chardev0"},
        ),
    ],
)
def test_what_is_in_the_smartcard_reader(xml: str, expected: dict[str, str]) -> None:
    assert device_of(words(xml)) == {**expected, "id": "dev0"}


def test_the_end_of_a_spice_smartcard_is_named_after_it() -> None:
    assert words("<smartcard mode='passthrough' type='spicevmc'/>")[1] == "spicevmc,id=chardev0,name=smartcard"


def test_rules_say_which_usb_devices_come_in() -> None:
    rules = (
        "<redirfilter><usbdev class='0x8' vendor='0x15e1' product='0x2007' version='1.10' allow='yes'/>"
        "<usbdev vendor='-1' allow='no'/></redirfilter>"
    )
    xml = "<redirdev bus='usb' type='spicevmc'/>"
    argv = words(xml, context(devices=rules))
    assert argv[1] == "spicevmc,id=chardev0,name=usbredir"
    assert device_of(argv)["filter"] == "0x08:0x15E1:0x2007:0x0110:1|-1:-1:-1:-1:0"
    with pytest.raises(ConfigUnsupported, match="USB redirection filter is not supported by this version of QEMU"):
        words(xml, context(devices=rules, known=capabilities(less=("usb-redir.filter",))))


def test_a_vsock_has_the_guests_number() -> None:
    guest = device_of(words(f"<vsock model='virtio'><cid auto='no' address='7'/>{PLACE}</vsock>"))
    assert guest == {"driver": "vhost-vsock-pci", "id": "dev0", "guest-cid": 7, "bus": "pci.1", "addr": "0x2"}


def test_a_number_of_the_hosts_choice_is_the_settings() -> None:
    xml = f"<vsock model='virtio'><cid auto='yes'/>{PLACE}</vsock>"
    with pytest.raises(ConfigUnsupported, match="of which the host chooses the number"):
        words(xml)
    chosen = QemuSettings(vsock_cid=5, descriptors=Descriptors(vsock=6), runtime=Path("/run"))
    guest = device_of(words(xml, context(settings=chosen)))
    assert (guest["guest-cid"], guest["vhostfd"]) == (5, "6")
