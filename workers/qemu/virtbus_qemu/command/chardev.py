"""Serial ports, consoles and channels."""

from __future__ import annotations

from typing import Any

from virtbus.domain.chardev import (
    Channel,
    ChannelTargetType,
    CharDevice,
    CharMode,
    CharProtocol,
    CharType,
    Console,
    ConsoleTargetType,
    Serial,
    SerialTargetType,
)
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts, given
from virtbus_qemu.ledger import read_through


def host_end(device: CharDevice, context: Context) -> Backend:
    """The chardev of a device.

    :raise ConfigUnsupported: the host's end is of a kind that is not supported.
    """
    kind, values = _values(device, context)
    log = given(logfile=device.log.file, logappend=device.log.append) if device.log else {}
    return Backend(BackendKind.CHARDEV, {"id": f"char{device.alias}", "backend": {"type": kind, "data": values | log}})


def _values(device: CharDevice, context: Context) -> tuple[str, dict[str, Any]]:
    source = device.source
    path = source.path if source else None
    match device.type:
        case CharType.NULL | CharType.PTY | CharType.STDIO:
            return device.type.value, {}
        case CharType.FILE if path and source:
            return "file", given(out=path, append=source.append)
        case CharType.DEV if path:
            return "serial", {"device": path}
        case CharType.UNIX if path and source:
            return "socket", {"addr": {"type": "unix", "data": {"path": path}}, **_server(source.mode)}
        case CharType.TCP if source and source.host and source.service:
            address = {"type": "inet", "data": {"host": source.host, "port": source.service}}
            telnet = {"telnet": True} if device.protocol is CharProtocol.TELNET else {}
            if device.protocol in (None, CharProtocol.RAW, CharProtocol.TELNET):
                return "socket", {"addr": address, **telnet, **_server(source.mode)}
    raise ConfigUnsupported(
        f"{device.element_tag} {device.alias} of type {device.type} is not supported, or its source is incomplete",
        domain=context.domain.name,
        hint="null, pty, file, dev, unix and tcp (raw or telnet) are supported",
        evidence={"path": f"/domain/devices/{device.element_tag}/@type"},
    )


def _server(mode: CharMode | None) -> dict[str, Any]:
    return {"server": True, "wait": False} if mode is not CharMode.CONNECT else {"server": False}


#: Drivers of serial ports, and whether they sit on PCI.
_SERIAL_DRIVERS = {SerialTargetType.ISA_SERIAL: "isa-serial", SerialTargetType.ISA_DEBUG: "isa-debugcon"}


def serial(device: Serial, context: Context) -> Parts:
    """A serial port."""
    host = host_end(device, context)
    target = device.target
    driver = _SERIAL_DRIVERS.get(target.type) if target and target.type else None
    if target is None or driver is None:
        raise ConfigUnsupported(
            f"serial ports of type {target.type if target else None} are not supported",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/serial/target/@type"},
        )
    # The device follows from the type, the model only repeats it.
    _ = target.model
    return Parts((host,), {"driver": driver, "chardev": host.id, "id": device.alias, **given(index=target.port)})


def console(device: Console, context: Context) -> Parts:
    """A console; the first of a full guest is its first serial port and adds nothing."""
    target = device.target
    if target is not None and target.type is ConsoleTargetType.SERIAL and context.domain.devices.consoles[0] is device:
        read_through(device)
        return Parts()
    if target is None or target.type is not ConsoleTargetType.VIRTIO:
        raise ConfigUnsupported(
            f"consoles of type {target.type if target else None} are not supported",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/console/target/@type"},
        )
    host = host_end(device, context)
    where = place.virtio_serial(device, context)
    # The guest numbers its consoles by their ports.
    _ = target.port
    return Parts((host,), {"driver": "virtconsole", **where, "chardev": host.id, "id": device.alias})


def channel(device: Channel, context: Context) -> Parts:
    """A channel to a program in the guest."""
    target = device.target
    if target is None or target.type is not ChannelTargetType.VIRTIO:
        raise ConfigUnsupported(
            "only virtio channels are supported",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/channel/target/@type"},
        )
    host = host_end(device, context)
    where = place.virtio_serial(device, context)
    name = given(name=target.name)
    return Parts((host,), {"driver": "virtserialport", **where, "chardev": host.id, "id": device.alias, **name})
