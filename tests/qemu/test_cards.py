"""Network cards: what they are connected to on the host, and what the guest sees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.qemu.alone import capabilities, context, device_of, words
from virtbus.domain.device import HostAddress
from virtbus.domain.devices import parse_device
from virtbus.domain.interface import ActualInterface, Interface, InterfaceSource, InterfaceType
from virtbus.errors import ConfigUnsupported, VirtbusError
from virtbus_qemu import provided
from virtbus_qemu.checks.interfaces import check_connection, check_interface
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.command import describe, network
from virtbus_qemu.settings import Descriptors, QemuSettings


def card(kind: str, inside: str = "", model: str = "virtio") -> str:
    return (
        f"<interface type='{kind}'><mac address='52:54:00:00:00:01'/><model type='{model}'/>{inside}"
        "<address type='pci' bus='0x01' slot='0x02'/></interface>"
    )


def netdev_of(argv: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(argv[argv.index("-netdev") + 1])
    return found


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (card("user"), {"type": "user"}),
        (
            card("user", "<ip family='ipv4' address='10.1.0.0' prefix='16'/><ip family='ipv6' address='fd00::'/>"),
            {"type": "user", "net": "10.1.0.0/16", "ipv6-prefix": "fd00::"},
        ),
        (card("server", "<source address='1.2.3.4' port='5'/>"), {"type": "socket", "listen": "1.2.3.4:5"}),
        (card("server", "<source port='5'/>"), {"type": "socket", "listen": ":5"}),
        (card("client", "<source address='1.2.3.4' port='5'/>"), {"type": "socket", "connect": "1.2.3.4:5"}),
        (card("mcast", "<source address='230.0.0.1' port='5'/>"), {"type": "socket", "mcast": "230.0.0.1:5"}),
        (
            card("udp", "<source address='1.2.3.4' port='5'><local address='4.3.2.1' port='6'/></source>"),
            {"type": "socket", "udp": "1.2.3.4:5", "localaddr": "4.3.2.1:6"},
        ),
        (card("internal", "<source name='inner'/>"), {"type": "user"}),
        (
            card("vdpa", "<source dev='/dev/vhost-vdpa-0'/><driver queues='2'/>"),
            {"type": "vhost-vdpa", "vhostdev": "/dev/vhost-vdpa-0", "queues": 2},
        ),
    ],
)
def test_what_a_card_is_connected_to(xml: str, expected: dict[str, Any]) -> None:
    assert netdev_of(words(xml)) == {**expected, "id": "hostdev0"}


def test_a_netdev_is_named_last_as_libvirt_does() -> None:
    assert list(netdev_of(words(card("user"))))[-1] == "id"


def test_an_older_qemu_wants_words_for_netdevs() -> None:
    where = context(known=capabilities(less=("netdev.json",)))
    assert words(card("server", "<source port='5'/>"), where)[1] == "socket,listen=:5,id=hostdev0"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("", {"type": "tap", "fd": "30", "vhost": True, "vhostfd": "40"}),
        ("<driver name='qemu'/>", {"type": "tap", "fd": "30"}),
        ("<driver queues='2'/>", {"type": "tap", "fds": "30:31", "vhost": True, "vhostfds": "40:41"}),
        ("<tune><sndbuf>9</sndbuf></tune>", {"type": "tap", "fd": "30", "vhost": True, "vhostfd": "40", "sndbuf": 9}),
    ],
)
def test_an_opened_tap_device_is_handed_over_by_number(inside: str, expected: dict[str, Any]) -> None:
    settings = QemuSettings(descriptors=Descriptors(first_tap=30, bridged_tap=50, vhost_net=40))
    argv = words(card("ethernet", inside), context(settings=settings))
    assert netdev_of(argv) == {**expected, "id": "hostdev0"}


def test_a_tap_device_on_a_bridge_has_its_own_numbers() -> None:
    settings = QemuSettings(descriptors=Descriptors(first_tap=30, bridged_tap=50))
    argv = words(card("bridge", "<source bridge='br0'/>"), context(settings=settings))
    assert netdev_of(argv)["fd"] == "50"


def test_only_virtio_cards_have_the_kernels_help() -> None:
    with pytest.raises(ConfigUnsupported, match="vhost-net is only supported for virtio network interfaces"):
        words(card("ethernet", "<driver name='vhost'/>", model="e1000"))


def test_a_vhost_user_card_talks_to_its_switch_over_a_socket() -> None:
    argv = words(card("vhostuser", "<source type='unix' path='/s' mode='server'/><driver queues='4'/>"))
    assert argv[:2] == ["-chardev", "socket,id=chardev0,path=/s,server=on"]
    assert netdev_of(argv) == {"type": "vhost-user", "chardev": "chardev0", "queues": 4, "id": "hostdev0"}
    assert (device_of(argv)["mq"], device_of(argv)["vectors"]) == (True, 10)


@pytest.mark.parametrize(
    ("flags", "again"),
    [
        (("netdev-stream-reconnect-miliseconds", "netdev.stream.reconnect"), {"reconnect-ms": 5000}),
        (("netdev.stream.reconnect",), {"reconnect": 5}),
        ((), {}),
    ],
)
def test_a_passt_is_connected_to_again_in_the_unit_that_qemu_knows(flags: tuple[str, ...], again: Any) -> None:
    every = ("netdev-stream-reconnect-miliseconds", "netdev.stream.reconnect")
    known = capabilities(less=tuple(name for name in every if name not in flags))
    argv = words(card("user", "<backend type='passt'/>"), context(known=known))
    address = {"type": "unix", "path": "/run/streams/dev0-passt.sock"}
    assert netdev_of(argv) == {"type": "stream", "addr": address, "server": False, **again, "id": "hostdev0"}


def test_the_driver_of_a_virtio_card_is_told_in_libvirts_order() -> None:
    driver = (
        "<driver txmode='iothread' ioeventfd='on' event_idx='off' queues='2' rx_queue_size='512' rss='on' packed='on'>"
        "<host csum='off' mrg_rxbuf='off'/><guest ufo='off'/></driver>"
    )
    guest = device_of(words(card("user", f"<mtu size='1400'/><teaming type='persistent'/>{driver}")))
    assert list(guest.items())[1:13] == [
        ("packed", True),
        ("tx", "bh"),
        ("ioeventfd", True),
        ("event_idx", False),
        ("csum", False),
        ("mrg_rxbuf", False),
        ("guest_ufo", False),
        ("mq", True),
        ("vectors", 6),
        ("rx_queue_size", 512),
        ("rss", True),
        ("host_mtu", 1400),
    ]
    assert list(guest)[13:] == ["failover", "netdev", "id", "mac", "bus", "addr"]


def test_a_card_that_a_network_lends_is_the_hosts_own() -> None:
    interface = parse_device(card("network", "<source network='n'/><teaming type='transient' persistent='ua-a'/>"))
    assert isinstance(interface, Interface)
    interface.alias = "hostdev0"
    with pytest.raises(ConfigUnsupported, match="interfaces of type network are not supported"):
        describe(interface, context())
    address = HostAddress(type="pci", domain=0, bus=3, slot=7, function=1)
    interface.actual = ActualInterface(type=InterfaceType.HOSTDEV, source=InterfaceSource(address=address))
    assert device_of(describe(interface, context()).arguments()) == {
        "driver": "vfio-pci",
        "host": "0000:03:07.1",
        "id": "hostdev0",
        "failover_pair_id": "ua-a",
        "bus": "pci.1",
        "addr": "0x2",
    }


def test_the_hosts_cards_are_told_apart_from_qemus_own() -> None:
    inside = "<source><address type='pci' domain='0' bus='3' slot='7' function='1'/></source>"
    own, named, lent = card("user"), card("hostdev", inside), card("network", "<source network='n'/>")
    domain = context(devices=own + named + lent).domain
    domain.devices.interfaces[2].actual = ActualInterface(type=InterfaceType.HOSTDEV)
    first, second, third = domain.devices.interfaces
    assert list(network.cards(domain)) == [first]
    assert list(network.assigned(domain, by_network=False)) == [second]
    assert list(network.assigned(domain, by_network=True)) == [third]


def test_a_card_of_an_arm_board_is_reached_by_its_only_option() -> None:
    xml = "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='lan9118'/></interface>"
    argv = words(xml, context(arch="armv7l", machine="vexpress-a9"))
    assert argv[2:] == ["-net", "nic,macaddr=52:54:00:00:00:01,netdev=hostdev0,model=lan9118,id=dev0"]


def problems(xml: str, less: tuple[str, ...] = ()) -> list[VirtbusError]:
    interface = parse_device(xml)
    assert isinstance(interface, Interface)
    known = capabilities(less=less)
    scene = Scene(context().domain, known, QemuSettings())
    return [*check_interface(scene, "/i", interface), *check_connection(scene, "/i", interface)]


@pytest.mark.parametrize(
    ("xml", "less", "message"),
    [
        (
            card("ethernet", "<ip address='1.2.3.4'/>"),
            (),
            "Invalid attempt to set network interface guest-side IP route and/or address info, not supported by QEMU",
        ),
        (
            card("user", "<ip address='1.2.3.4'/><ip address='1.2.3.5'/>"),
            (),
            "only one IPv4 address per interface is allowed",
        ),
        (card("user", "<ip address='1.2.3.4' prefix='28'/>"), (), "prefix too long"),
        (
            card("user", "<backend type='passt'/>"),
            ("netdev.stream",),
            "The 'passt' network backend is not supported with this QEMU binary",
        ),
        (card("mcast", "<mtu size='9000'/>"), (), "setting MTU on interface type mcast is not supported yet"),
        (
            card("user", "<driver queues='2'/>"),
            (),
            "interface 52:54:00:00:00:01 - multiqueue is not supported for network interfaces of type user",
        ),
        (
            card("user", "<backend tap='/dev/net/tun'/>"),
            (),
            "interface 52:54:00:00:00:01 - custom tap device path is not supported for network interfaces of type user",
        ),
        (
            card("vdpa", "<source dev='/dev/vhost-vdpa-0'/>", model="e1000"),
            (),
            "invalid model for interface of type 'vdpa': 'e1000'",
        ),
    ],
)
def test_what_a_card_may_not_be(xml: str, less: tuple[str, ...], message: str) -> None:
    assert [problem.message for problem in problems(xml, less)] == [message]


def test_a_usual_card_has_no_problems() -> None:
    assert problems(card("bridge", "<source bridge='br0'/><mtu size='9000'/><driver queues='2' rss='on'/>")) == []


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (card("user", "<backend type='passt'/>"), "the worker starts no passt for a guest that runs"),
        (card("direct", "<source dev='eth0' mode='bridge'/>"), "the worker makes no macvtap devices"),
    ],
)
def test_what_the_worker_does_not_provide_is_refused(xml: str, reason: str) -> None:
    with pytest.raises(ConfigUnsupported) as refusal:
        provided.check_device(parse_device(xml), "/i", context().domain)
    assert (refusal.value.message, refusal.value.evidence["path"]) == (reason, "/i")
    provided.check_device(parse_device(card("user")), "/i", context().domain)
