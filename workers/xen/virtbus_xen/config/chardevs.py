"""Serial and parallel ports in the notation of QEMU's command line, the console, and channels."""

from __future__ import annotations

from typing import Any

from virtbus.domain import Channel, CharDevice, CharSource, CharType, Console, Domain, Parallel, Serial
from virtbus.domain.chardev import (
    ChannelTarget,
    ChannelTargetType,
    CharMode,
    CharProtocol,
    ConsoleTarget,
    ConsoleTargetType,
    ParallelTarget,
    SerialTarget,
)
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.guest import is_full
from virtbus_xen.config.syntax import Settings, Value

_PLAIN = (CharType.NULL, CharType.STDIO, CharType.VC, CharType.PTY)
_PATHS = (CharType.FILE, CharType.PIPE)


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    devices = domain.devices
    if is_full(domain):
        text = settings.text("parallel")
        if text not in (None, "none"):
            devices.parallels.append(Parallel(**parse_stream(str(text)), target=ParallelTarget(port=0)))
        for port, each in enumerate(settings.several("serial")):
            if each != "none":
                devices.serials.append(Serial(**parse_stream(each), target=SerialTarget(port=port)))
    else:
        target = ConsoleTarget(type=ConsoleTargetType.XEN, port=0)
        devices.consoles.append(Console(type=CharType.PTY, target=target))
    if dialect is Dialect.XL:
        devices.channels += [_read_channel(text) for text in settings.texts("channel")]


def parse_stream(text: str) -> dict[str, Any]:
    """The fields of a device whose host's end is written as in QEMU's -serial.

    :raise InvalidArgument: it is written otherwise.
    """
    name, _, rest = text.partition(":")
    place, *options = rest.split(",")
    mode = CharMode.BIND if "server" in options else CharMode.CONNECT
    source, protocol = CharSource(), None
    if text.startswith("/dev/"):
        found, source.path = CharType.DEV, text
    elif name in ("tcp", "telnet"):
        found, source.mode = CharType.TCP, mode
        source.host, _, source.service = (part or None for part in place.rpartition(":"))
        protocol = CharProtocol.TELNET if name == "telnet" else CharProtocol.RAW
    elif name == "udp":
        return {"type": CharType.UDP, "sources": _udp(rest)}
    elif name == "unix":
        found, source.mode, source.path = CharType.UNIX, mode, place
    elif name in _PATHS:
        found, source.path = CharType(name), rest
    elif name in _PLAIN:
        found = CharType(name)
    else:
        raise InvalidArgument(f"unknown chr device type '{text:.80}'")
    return {"type": found, "sources": [] if source.is_blank() else [source], "protocol": protocol}


def _udp(text: str) -> list[CharSource]:
    there, _, here = text.partition("@")
    found = []
    for mode, place in ((CharMode.BIND, here), (CharMode.CONNECT, there)):
        host, _, service = place.rpartition(":")
        if host or service:
            found.append(CharSource(mode=mode, host=host or None, service=service or None))
    return found


def write_ports(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    if not is_full(domain):
        return
    parallels, serials = domain.devices.parallels, domain.devices.serials
    settings["parallel"] = format_stream(parallels[0]) if parallels else "none"
    texts: list[Value] = [format_stream(each) for each in serials]
    if len(texts) > 1 and dialect is Dialect.XL:
        settings["serial"] = texts
    else:
        settings["serial"] = texts[0] if texts else "none"


def format_stream(device: CharDevice) -> str:
    """The host's end in the notation of QEMU's -serial.

    :raise ConfigUnsupported: Xen's guests have no such end.
    """
    source = device.source or CharSource()
    server = ",server,nowait" if source.mode is CharMode.BIND else ""
    if device.type in _PLAIN:
        return str(device.type)
    if device.type in _PATHS:
        return f"{device.type}:{source.path}"
    if device.type is CharType.DEV:
        return source.path or ""
    if device.type is CharType.TCP:
        name = "telnet" if device.protocol is CharProtocol.TELNET else "tcp"
        return f"{name}:{source.host or ''}:{source.service or ''}{server}"
    if device.type is CharType.UNIX:
        return f"unix:{source.path}{server}"
    if device.type is CharType.UDP:
        ends = {each.mode: each for each in device.sources}
        here, there = ends.get(CharMode.BIND, CharSource()), ends.get(CharMode.CONNECT, CharSource())
        return f"udp:{there.host or ''}:{there.service or '0'}@{here.host or ''}:{here.service or '0'}"
    raise ConfigUnsupported(f"unexpected chr device type '{device.type}'")


def _read_channel(text: str) -> Channel:
    said = {name.strip(): value.strip() for name, _, value in (word.partition("=") for word in text.split(","))}
    target = ChannelTarget(type=ChannelTargetType.XEN, name=said.get("name"))
    if said.get("connection") == "pty":
        return Channel(type=CharType.PTY, target=target)
    if said.get("connection") != "socket" or "path" not in said:
        raise InvalidArgument(f"unknown channel '{text:.80}'")
    source = CharSource(mode=CharMode.BIND, path=said["path"])
    return Channel(type=CharType.UNIX, sources=[source], target=target)


def write_channels(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    channels = [each for each in domain.devices.channels if _is_xen(each)]
    if dialect is Dialect.XL and channels:
        settings["channel"] = [_format_channel(each) for each in channels]


def _is_xen(channel: Channel) -> bool:
    return channel.target is not None and channel.target.type is ChannelTargetType.XEN


def _format_channel(channel: Channel) -> str:
    name = f",name={channel.target.name}" if channel.target is not None and channel.target.name is not None else ""
    if channel.type is CharType.PTY:
        return f"connection=pty{name}"
    if channel.type is CharType.UNIX and channel.source is not None:
        return f"connection=socket,path={channel.source.path}{name}"
    raise ConfigUnsupported(f"channel source type not supported: {channel.type}")
