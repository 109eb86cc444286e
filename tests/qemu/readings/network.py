"""Network cards: their addresses, queues and offloads, and what they hang on."""

from __future__ import annotations

from pathlib import Path

from tests.qemu.readings.view import Readings, View
from virtbus.domain.interface import Interface, InterfaceType

_NETDEVS = {
    InterfaceType.BRIDGE: "type=tap,ifname={target}",
    InterfaceType.ETHERNET: "type=tap,ifname={target}",
    InterfaceType.USER: "type=user",
    InterfaceType.MCAST: "socket: mcast={address}:{port}",
    InterfaceType.SERVER: "type=socket",
}

_DEVICES = Path("/sys/class/net")


async def cards(view: View) -> Readings:
    """Every card."""
    shown = await view.ask("human-monitor-command", command_line="info network")
    for card in view.live.devices.interfaces:
        assert card.mac is not None
        yield f"{card.alias} mac", card.mac.address, await view.of(card.alias, "mac")
        yield f"{card.alias} netdev", f"host{card.alias}", await view.of(card.alias, "netdev")
        line = next((line for line in shown.splitlines() if f"host{card.alias}:" in line), "")
        asked = _netdev(card)
        yield f"{card.alias} hangs on {asked}", True, asked in line or line
        async for reading in view.compare(card.alias, _properties(card)):
            yield reading
        for reading in _tap(card):
            yield reading


def _netdev(card: Interface) -> str:
    if card.backend is not None and card.backend.type == "passt":
        return "type=stream"
    source = card.source
    return _NETDEVS[card.type].format(
        target=card.target.dev if card.target else "",
        address=source.address_text if source else "",
        port=source.port if source else "",
    )


def _properties(card: Interface) -> dict[str, object]:
    if card.model is None or not card.model.type.startswith("virtio"):
        return {}
    driver = card.driver
    said: dict[str, object] = {"host_mtu": card.mtu}
    if driver is None:
        return said
    queues = driver.queues or 1
    said |= {
        "mq": True if queues > 1 else None,
        "vectors": 2 * queues + 2 if queues > 1 else None,
        "rx_queue_size": driver.rx_queue_size,
        "tx_queue_size": driver.tx_queue_size,
        "tx": {"iothread": "bh", "timer": "timer"}.get(driver.tx_mode or ""),
        "ioeventfd": driver.ioeventfd,
        "event_idx": driver.event_idx,
    }
    if driver.host is not None:
        said |= {"csum": driver.host.csum, "gso": driver.host.gso, "mrg_rxbuf": driver.host.mrg_rxbuf}
        said |= {f"host_{name}": getattr(driver.host, name) for name in ("tso4", "tso6", "ecn", "ufo")}
    if driver.guest is not None:
        said |= {f"guest_{name}": getattr(driver.guest, name) for name in ("csum", "tso4", "tso6", "ecn", "ufo")}
    return said


def _tap(card: Interface) -> list[tuple[str, object, object]]:
    """The host's end: on its bridge, with its MTU."""
    if card.type not in (InterfaceType.BRIDGE, InterfaceType.ETHERNET) or card.target is None:
        return []
    here = _DEVICES / (card.target.dev or "")
    found: list[tuple[str, object, object]] = [(f"{card.alias} tap", True, here.exists())]
    if card.source is not None and card.source.bridge is not None:
        found.append((f"{card.alias} bridge", card.source.bridge, (here / "master").resolve().name))
    if card.mtu is not None:
        found.append((f"{card.alias} mtu", card.mtu, int((here / "mtu").read_text())))
    return found
