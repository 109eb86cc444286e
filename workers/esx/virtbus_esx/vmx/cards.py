"""Network cards, serial and parallel ports from a .vmx."""

from __future__ import annotations

from urllib.parse import urlsplit

from virtbus.domain import CharSource, CharType, Interface, InterfaceType, Parallel, Serial
from virtbus.domain.chardev import CharMode, CharProtocol, ParallelTarget, SerialTarget
from virtbus.domain.interface import InterfaceModel, InterfaceSource, InterfaceTarget, Mac, MacType
from virtbus.errors import XmlInternal
from virtbus_esx.vmx.entries import Entries
from virtbus_esx.vmx.files import Files

CARD_LIMIT, SERIAL_LIMIT, PARALLEL_LIMIT = 10, 4, 3
"""How many of each a machine has."""

MODELS = ("vlance", "vmxnet", "vmxnet3", "e1000", "e1000e")
"""VMware's cards; a vmxnet with certain features is libvirt's vmxnet2."""
VMXNET2_FEATURES = 15

PROTOCOLS = {
    "": CharProtocol.RAW,
    "tcp": CharProtocol.RAW,
    "tcp4": CharProtocol.RAW,
    "tcp6": CharProtocol.RAW,
    "telnet": CharProtocol.TELNET,
    "telnets": CharProtocol.TELNETS,
    "ssl": CharProtocol.TLS,
    "tcp+ssl": CharProtocol.TLS,
    "tcp4+ssl": CharProtocol.TLS,
    "tcp6+ssl": CharProtocol.TLS,
}
"""What a serial port's address may begin with."""


def read_card(entries: Entries, number: int) -> Interface | None:
    """A network card; None where there is none of that number."""
    prefix = f"ethernet{number}"
    if not entries.boolean(f"{prefix}.present", False):
        return None
    card = _connection(entries, prefix)
    card.mac = _mac(entries, prefix)
    model = _model(entries, prefix)
    card.model = None if model is None else InterfaceModel(type=model)
    return card


def _connection(entries: Entries, prefix: str) -> Interface:
    connection = entries.optional(f"{prefix}.connectionType")
    network = entries.optional(f"{prefix}.networkName")
    kind = (connection or "").lower()
    if connection is None and network is None:
        return Interface(type=InterfaceType.NULL)
    if connection is None or kind == "bridged":
        return Interface(type=InterfaceType.BRIDGE, source=InterfaceSource(bridge=network or ""))
    if kind == "nat":
        return Interface(type=InterfaceType.USER)
    if kind == "custom":
        return Interface(
            type=InterfaceType.BRIDGE,
            source=InterfaceSource(bridge=network or ""),
            target=InterfaceTarget(dev=entries.string(f"{prefix}.vnet")),
        )
    if kind == "hostonly":
        raise XmlInternal(f"No yet handled value '{connection}' for VMX entry '{prefix}.connectionType'")
    raise XmlInternal(f"Invalid value '{connection}' for VMX entry '{prefix}.connectionType'")


_ADDRESS_ENTRY = {
    None: ("generatedAddress", MacType.GENERATED),
    "generated": ("generatedAddress", MacType.GENERATED),
    "vpx": ("generatedAddress", MacType.GENERATED),
    "static": ("address", MacType.STATIC),
}
"""Where the address is, and what it is, by its type."""


def _mac(entries: Entries, prefix: str) -> Mac:
    kind = entries.optional(f"{prefix}.addressType")
    if (None if kind is None else kind.lower()) not in _ADDRESS_ENTRY:
        raise XmlInternal(
            f"Expecting VMX entry '{prefix}.addressType' to be 'generated' or 'static' or 'vpx' but found '{kind}'"
        )
    name, told = _ADDRESS_ENTRY[None if kind is None else kind.lower()]
    address = entries.optional(f"{prefix}.{name}")
    mac = Mac(address="00:00:00:00:00:00")
    if address is not None:
        mac = Mac(address=_checked(address, f"{prefix}.{name}"), type=told)
    check = entries.optional(f"{prefix}.checkMACAddress")
    if check is not None:
        mac.check = check.lower() == "true"
    return mac


def _checked(address: str, entry: str) -> str:
    """:raises XmlInternal: it is no MAC address."""
    parts = address.split(":")
    try:
        numbers = [int(part, 16) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or any(not 0 <= number < 256 for number in numbers):
        raise XmlInternal(f"Expecting VMX entry '{entry}' to be MAC address but found '{address}'")
    return ":".join(f"{number:02x}" for number in numbers)


def _model(entries: Entries, prefix: str) -> str | None:
    card = entries.optional(f"{prefix}.virtualDev")
    features = entries.number(f"{prefix}.features", 0)
    if card is None:
        return None
    if card.lower() not in MODELS:
        raise XmlInternal(
            f"Expecting VMX entry '{prefix}.virtualDev' to be 'vlance' or 'vmxnet' or 'vmxnet3' or 'e1000' or 'e1000e'"
            f" but found '{card}'"
        )
    if card.lower() == "vmxnet" and features == VMXNET2_FEATURES:
        return "vmxnet2"
    return card.lower()


def read_serial(entries: Entries, number: int, files: Files) -> Serial | None:
    """A serial port; None where there is none of that number."""
    prefix = f"serial{number}"
    if not entries.boolean(f"{prefix}.present", False):
        return None
    made = Serial(type=CharType.NULL, target=SerialTarget(port=number))
    kind = entries.string(f"{prefix}.fileType").lower()
    name = entries.string(f"{prefix}.fileName")
    if kind == "device":
        made.type, made.sources = CharType.DEV, [CharSource(path=name)]
    elif kind == "file":
        made.type, made.sources = CharType.FILE, [CharSource(path=files.source(name))]
    elif kind == "pipe":
        # Which end of the pipe it is, and who is at the other, a domain cannot say.
        made.type, made.sources = CharType.PIPE, [CharSource(path=name)]
    elif kind == "network":
        _read_network(entries, prefix, name, made)
    else:
        raise XmlInternal(
            f"Expecting VMX entry '{prefix}.fileType' to be 'device', 'file' or 'pipe' or 'network' but found '{kind}'"
        )
    return made


def _read_network(entries: Entries, prefix: str, name: str, made: Serial) -> None:
    """Where the port is reached; one that a concentrator serves, or that leads nowhere, is shown as none."""
    if not name or entries.optional(f"{prefix}.vspc") is not None:
        return
    address = urlsplit(name if "://" in name else f"//{name}")
    try:
        port = address.port
    except ValueError:
        port = None
    if not port:
        raise XmlInternal(f"VMX entry '{prefix}.fileName' doesn't contain a port part")
    protocol = PROTOCOLS.get(address.scheme.lower())
    if protocol is None:
        raise XmlInternal(f"VMX entry '{prefix}.fileName' contains unsupported scheme '{address.scheme}'")
    end = (entries.optional(f"{prefix}.network.endPoint") or "server").lower()
    if end not in ("server", "client"):
        raise XmlInternal(
            f"Expecting VMX entry '{prefix}.network.endPoint' to be 'server' or 'client' but found '{end}'"
        )
    mode = CharMode.BIND if end == "server" else CharMode.CONNECT
    made.type, made.protocol = CharType.TCP, protocol
    made.sources = [CharSource(mode=mode, host=address.hostname, service=str(port))]


def read_parallel(entries: Entries, number: int, files: Files) -> Parallel | None:
    """A parallel port; None where there is none of that number."""
    prefix = f"parallel{number}"
    if not entries.boolean(f"{prefix}.present", False):
        return None
    kind = entries.string(f"{prefix}.fileType").lower()
    name = entries.string(f"{prefix}.fileName")
    made = Parallel(type=CharType.DEV, target=ParallelTarget(port=number))
    if kind == "device":
        made.sources = [CharSource(path=name)]
    elif kind == "file":
        made.type, made.sources = CharType.FILE, [CharSource(path=files.source(name))]
    else:
        raise XmlInternal(f"Expecting VMX entry '{prefix}.fileType' to be 'device' or 'file' but found '{kind}'")
    return made
