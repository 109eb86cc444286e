"""Network cards, serial and parallel ports of a domain into a .vmx."""

from __future__ import annotations

from enum import Enum

from virtbus.domain import CharType, Interface, InterfaceType, Parallel, Serial
from virtbus.domain.chardev import CharDevice, CharMode, CharProtocol
from virtbus.domain.interface import MacType
from virtbus.errors import ConfigUnsupported, XmlInternal
from virtbus_esx.vmx.cards import CARD_LIMIT, MODELS, PARALLEL_LIMIT, SERIAL_LIMIT, VMXNET2_FEATURES
from virtbus_esx.vmx.outgoing import Outgoing

_KNOWN = ("vlance", "vmxnet", "vmxnet2", "vmxnet3", "e1000", "e1000e")
_SCHEMES = {
    None: "tcp",
    CharProtocol.RAW: "tcp",
    CharProtocol.TELNET: "telnet",
    CharProtocol.TELNETS: "telnets",
    CharProtocol.TLS: "ssl",
}


def write_card(card: Interface, number: int, out: Outgoing) -> None:
    """A network card.

    :raises XmlInternal, ConfigUnsupported: it cannot be said.
    """
    if number >= CARD_LIMIT:
        raise XmlInternal(f"Ethernet controller index {number} out of [0..{CARD_LIMIT - 1}] range")
    prefix = f"ethernet{number}"
    out.say(f"{prefix}.present", True)
    if card.model is not None:
        _write_model(card.model.type, prefix, out)
    _write_connection(card, prefix, out)
    _write_address(card, prefix, out)


def _write_model(model: str, prefix: str, out: Outgoing) -> None:
    name = model.lower()
    if name not in _KNOWN:
        raise ConfigUnsupported(
            "Expecting domain XML entry 'devices/interface/model' to be 'vlance' or 'vmxnet' or 'vmxnet2' or 'vmxnet3'"
            f" or 'e1000' or 'e1000e' but found '{model}'",
            evidence={"path": "/domain/devices/interface/model/@type"},
        )
    out.say(f"{prefix}.virtualDev", name if name in MODELS else "vmxnet")
    if name == "vmxnet2":
        out.say(f"{prefix}.features", VMXNET2_FEATURES)


def _write_connection(card: Interface, prefix: str, out: Outgoing) -> None:
    if card.type is InterfaceType.BRIDGE:
        if card.source is not None and card.source.bridge:
            out.say(f"{prefix}.networkName", card.source.bridge)
        target = card.target.dev if card.target is not None else None
        out.say(f"{prefix}.connectionType", "bridged" if target is None else "custom")
        if target is not None:
            out.say(f"{prefix}.vnet", target)
    elif card.type is InterfaceType.USER:
        out.say(f"{prefix}.connectionType", "nat")
    elif card.type is not InterfaceType.NULL:
        raise ConfigUnsupported(
            f"Unsupported net type '{card.type}'", evidence={"path": "/domain/devices/interface/@type"}
        )


class Address(Enum):
    """Who gave a card its address, as VMware tells it apart."""

    GENERATED = "generated"
    """The host."""
    VPX = "vpx"
    """A vCenter."""
    STATIC = "static"
    """The user, from VMware's range for that."""
    FOREIGN = "foreign"
    """The user, outside of VMware's ranges: nothing may check it."""


def address_kind(mac: str) -> Address:
    """What an address is by its range (VMware's knowledge base, 219; libvirt's drvesx page)."""
    prefix, suffix = int(mac[:8].replace(":", ""), 16), int(mac[9:].replace(":", ""), 16)
    if prefix == 0x000C29:
        return Address.GENERATED
    if prefix == 0x005056 and suffix <= 0x3FFFFF:
        return Address.STATIC
    if prefix == 0x005056 and 0x800000 <= suffix <= 0xBFFFFF:
        return Address.VPX
    return Address.FOREIGN


def _write_address(card: Interface, prefix: str, out: Outgoing) -> None:
    if card.mac is None:
        return
    address = card.mac.address.lower()
    kind = address_kind(address)
    told = card.mac.type or (MacType.GENERATED if kind in (Address.GENERATED, Address.VPX) else MacType.STATIC)
    check = card.mac.check
    if check is None and kind is Address.FOREIGN:
        check = False
    if told is MacType.GENERATED:
        out.say(f"{prefix}.addressType", "vpx" if kind is Address.VPX else "generated")
        out.say(f"{prefix}.generatedAddress", address)
        if kind is not Address.VPX:
            out.say(f"{prefix}.generatedAddressOffset", 0)
    else:
        out.say(f"{prefix}.addressType", "static")
        out.say(f"{prefix}.address", address)
    if check is not None:
        out.say(f"{prefix}.checkMACAddress", check)


def _port(device: Serial | Parallel, limit: int) -> int:
    number = 0 if device.target is None or device.target.port is None else device.target.port
    if number >= limit:
        kind = "Serial" if isinstance(device, Serial) else "Parallel"
        raise XmlInternal(f"{kind} port index {number} out of [0..{limit - 1}] range")
    return number


def _path(device: CharDevice) -> str:
    return (device.sources[0].path or "") if device.sources else ""


def _unsupported(device: CharDevice) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"Unsupported character device type '{device.type}'",
        evidence={"path": f"/domain/devices/{device.element_tag}/@type"},
    )


def write_serial(serial: Serial, out: Outgoing) -> None:
    """A serial port.

    :raises XmlInternal, ConfigUnsupported: it cannot be said.
    """
    prefix = f"serial{_port(serial, SERIAL_LIMIT)}"
    out.say(f"{prefix}.present", True)
    if serial.type is CharType.DEV:
        out.say(f"{prefix}.fileType", "device")
        out.say(f"{prefix}.fileName", _path(serial))
    elif serial.type is CharType.FILE:
        out.say(f"{prefix}.fileType", "file")
        out.say(f"{prefix}.fileName", out.files.name(_path(serial)))
    elif serial.type is CharType.PIPE:
        out.say(f"{prefix}.fileType", "pipe")
        # A domain does not say which end it is: VMware's own client chooses so.
        out.say(f"{prefix}.pipe.endPoint", "client")
        out.say(f"{prefix}.tryNoRxLoss", False)
        out.say(f"{prefix}.fileName", _path(serial))
    elif serial.type is CharType.TCP and serial.sources:
        source = serial.sources[0]
        out.say(f"{prefix}.fileType", "network")
        out.say(f"{prefix}.fileName", f"{_SCHEMES[serial.protocol]}://{source.host or ''}:{source.service}")
        out.say(f"{prefix}.network.endPoint", "server" if source.mode is CharMode.BIND else "client")
    else:
        raise _unsupported(serial)
    out.say(f"{prefix}.yieldOnMsrRead", True)


def write_parallel(parallel: Parallel, out: Outgoing) -> None:
    """A parallel port.

    :raises XmlInternal, ConfigUnsupported: it cannot be said.
    """
    prefix = f"parallel{_port(parallel, PARALLEL_LIMIT)}"
    out.say(f"{prefix}.present", True)
    if parallel.type is CharType.DEV:
        out.say(f"{prefix}.fileType", "device")
        out.say(f"{prefix}.fileName", _path(parallel))
    elif parallel.type is CharType.FILE:
        out.say(f"{prefix}.fileType", "file")
        out.say(f"{prefix}.fileName", out.files.name(_path(parallel)))
    else:
        raise _unsupported(parallel)
