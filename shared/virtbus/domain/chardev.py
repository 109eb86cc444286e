"""What serial ports, consoles and channels have in common: the host's end of a stream of bytes."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device, Reconnect
from virtbus.domain.security import DeviceSecurityLabel
from virtbus.xml import Element, OnOff, UInt, attribute, child, children


class CharType(StrEnum):
    """What the host's end of a stream is."""

    NULL = "null"
    VC = "vc"
    PTY = "pty"
    DEV = "dev"
    FILE = "file"
    PIPE = "pipe"
    STDIO = "stdio"
    UDP = "udp"
    TCP = "tcp"
    UNIX = "unix"
    SPICEVMC = "spicevmc"
    SPICEPORT = "spiceport"
    NMDM = "nmdm"
    QEMU_VDAGENT = "qemu-vdagent"
    DBUS = "dbus"


class CharProtocol(StrEnum):
    """What is spoken over a TCP connection."""

    RAW = "raw"
    TELNET = "telnet"
    TELNETS = "telnets"
    TLS = "tls"


class CharMode(StrEnum):
    """Whether the host waits for a connection or makes one."""

    BIND = "bind"
    CONNECT = "connect"


class MouseMode(StrEnum):
    """Who moves the pointer."""

    SERVER = "server"
    CLIENT = "client"


class CharSource(Element, tag="source"):
    """The host's end; which attributes matter depends on the type. A udp device may have one of each mode."""

    mode: CharMode | None = attribute()
    host: str | None = attribute()
    service: str | None = attribute()
    path: str | None = attribute()
    channel: str | None = attribute()
    master: str | None = attribute()
    slave: str | None = attribute()
    append: OnOff | None = attribute()
    tls: bool | None = attribute()
    clipboard: bool | None = child(attribute="copypaste")
    mouse: MouseMode | None = child(attribute="mode")
    reconnect: Reconnect | None = child()
    seclabels: list[DeviceSecurityLabel] = children()


class CharLog(Element, tag="log"):
    """The file that what the guest sends is also written to."""

    file: str = attribute()
    append: OnOff | None = attribute()


class CharDevice(Device):
    """A device with a stream of bytes."""

    type: CharType = attribute()
    sources: list[CharSource] = children("source")
    protocol: CharProtocol | None = child(attribute="type")
    log: CharLog | None = child()

    @property
    def source(self) -> CharSource | None:
        """The first (mostly the only) host's end."""
        return self.sources[0] if self.sources else None


class SerialTargetType(StrEnum):
    """Which bus a serial port is on."""

    ISA_SERIAL = "isa-serial"
    USB_SERIAL = "usb-serial"
    PCI_SERIAL = "pci-serial"
    SPAPR_VIO_SERIAL = "spapr-vio-serial"
    SYSTEM_SERIAL = "system-serial"
    SCLP_SERIAL = "sclp-serial"
    ISA_DEBUG = "isa-debug"


class SerialTargetModel(StrEnum):
    """The hypervisor's device behind a serial port."""

    ISA_SERIAL = "isa-serial"
    USB_SERIAL = "usb-serial"
    PCI_SERIAL = "pci-serial"
    SPAPR_VTY = "spapr-vty"
    PL011 = "pl011"
    SCLPCONSOLE = "sclpconsole"
    SCLPLMCONSOLE = "sclplmconsole"
    UART_16550A = "16550a"
    ISA_DEBUGCON = "isa-debugcon"


class SerialTarget(Element, tag="target"):
    """Which port the guest sees."""

    type: SerialTargetType | None = attribute()
    port: UInt | None = attribute()
    model: SerialTargetModel | None = child(attribute="name")


class Serial(CharDevice, tag="serial"):
    """A serial port."""

    target: SerialTarget | None = child()


class ParallelTarget(Element, tag="target"):
    """Which port the guest sees."""

    type: str | None = attribute()
    port: UInt | None = attribute()


class Parallel(CharDevice, tag="parallel"):
    """A parallel port."""

    target: ParallelTarget | None = child()


class ConsoleTargetType(StrEnum):
    """What a console is on the guest's side."""

    SERIAL = "serial"
    XEN = "xen"
    UML = "uml"
    VIRTIO = "virtio"
    LXC = "lxc"
    OPENVZ = "openvz"
    SCLP = "sclp"
    SCLPLM = "sclplm"


class ConsoleTarget(Element, tag="target"):
    """Which console the guest sees."""

    type: ConsoleTargetType | None = attribute()
    port: UInt | None = attribute()


class Console(CharDevice, tag="console"):
    """The guest's console; the first one of a full guest is its first serial port."""

    type: CharType = attribute()
    tty: str | None = attribute(live=True)
    target: ConsoleTarget | None = child()


class ChannelTargetType(StrEnum):
    """How the guest finds a channel."""

    GUESTFWD = "guestfwd"
    VIRTIO = "virtio"
    XEN = "xen"


class ChannelState(StrEnum):
    """Whether a program in the guest has opened the channel."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class ChannelTarget(Element, tag="target"):
    """The name (or, for guestfwd, the address) by which the guest finds the channel."""

    type: ChannelTargetType = attribute()
    name: str | None = attribute()
    address: str | None = attribute()
    port: UInt | None = attribute()
    state: ChannelState | None = attribute(live=True)


class Channel(CharDevice, tag="channel"):
    """A stream between host and guest that is no console, such as the guest agent's."""

    target: ChannelTarget | None = child()
