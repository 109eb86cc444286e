"""Serial and parallel ports, consoles and channels: the guest's side of a stream of bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from virtbus.domain.chardev import (
    Channel,
    ChannelTargetType,
    CharDevice,
    CharType,
    Console,
    ConsoleTargetType,
    Parallel,
    Serial,
    SerialTarget,
    SerialTargetModel,
    SerialTargetType,
)
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts, given
from virtbus_qemu.command.stream import host_end
from virtbus_qemu.ledger import read_through

_SPICE_NAME = "com.redhat.spice.0"
"""The only channel that SPICE's agent speaks on."""


@dataclass(frozen=True)
class _Port:
    """A model of serial ports."""

    type: SerialTargetType
    built_in: bool = False
    """Whether the board has it: it is then connected, not made."""


_PORTS: dict[SerialTargetModel, _Port] = {
    SerialTargetModel.ISA_SERIAL: _Port(SerialTargetType.ISA_SERIAL),
    SerialTargetModel.ISA_DEBUGCON: _Port(SerialTargetType.ISA_DEBUG),
    SerialTargetModel.USB_SERIAL: _Port(SerialTargetType.USB_SERIAL),
    SerialTargetModel.PCI_SERIAL: _Port(SerialTargetType.PCI_SERIAL),
    SerialTargetModel.SPAPR_VTY: _Port(SerialTargetType.SPAPR_VIO_SERIAL),
    SerialTargetModel.SCLPCONSOLE: _Port(SerialTargetType.SCLP_SERIAL),
    SerialTargetModel.SCLPLMCONSOLE: _Port(SerialTargetType.SCLP_SERIAL),
    SerialTargetModel.PL011: _Port(SerialTargetType.SYSTEM_SERIAL, built_in=True),
    SerialTargetModel.UART_16550A: _Port(SerialTargetType.SYSTEM_SERIAL, built_in=True),
}


def serial(device: Serial, context: Context) -> Parts:
    """A serial port; one of no type is the board's own."""
    target = device.target or SerialTarget()
    ends = host_end(device, context)
    model = target.model or next((name for name, port in _PORTS.items() if port.type is target.type), None)
    if model is None or _PORTS[model].built_in:
        # The board numbers its ports in their order.
        read_through(device.target)
        return Parts(ends, options=("-serial", f"chardev:{ends[-1].id}"))
    # The model says which device of its type it is; only ISA's ports have numbers, others an order.
    _ = target.type, target.port
    properties = {"driver": model.value, "chardev": ends[-1].id, "id": device.alias}
    if _PORTS[model].type is SerialTargetType.ISA_SERIAL:
        properties |= given(index=target.port)
    return Parts(ends, {**properties, **place.of(device, context)})


def parallel(device: Parallel, context: Context) -> Parts:
    """A parallel port."""
    # QEMU numbers them in their order.
    read_through(device.target)
    ends = host_end(device, context)
    return Parts(
        ends, {"driver": "isa-parallel", "chardev": ends[-1].id, "id": device.alias, **place.of(device, context)}
    )


_CONSOLES = {
    ConsoleTargetType.VIRTIO: "virtconsole",
    ConsoleTargetType.SCLP: "sclpconsole",
    ConsoleTargetType.SCLPLM: "sclplmconsole",
}
"""The driver of each type of console."""


def console(device: Console, context: Context) -> Parts:
    """A console; one of type serial is a serial port, and adds nothing.

    :raise ConfigUnsupported: QEMU has no such console.
    """
    kind = device.target.type if device.target is not None else None
    if kind is ConsoleTargetType.SERIAL:
        read_through(device)
        return Parts()
    driver = _CONSOLES.get(kind) if kind is not None else None
    if driver is None:
        raise _refused(device, context, f"unsupported console target type {kind}", "target/@type")
    # The guest numbers its consoles in their order.
    read_through(device.target)
    ends = host_end(device, context)
    where = place.of(device, context) if kind is ConsoleTargetType.VIRTIO else {}
    return Parts(ends, {"driver": driver, **where, "chardev": ends[-1].id, "id": device.alias})


def channel(device: Channel, context: Context) -> Parts:
    """A channel to a program in the guest.

    :raise ConfigUnsupported: QEMU has no such channels.
    """
    target = device.target
    kind = target.type if target is not None else None
    if target is None or kind is None:
        raise _refused(device, context, "a channel has a target", "target")
    if kind is ChannelTargetType.XEN:
        raise _refused(device, context, "xen channels are not supported", "target/@type")
    ends = host_end(device, context)
    if kind is ChannelTargetType.GUESTFWD:
        return Parts((*ends[:-1], replace(ends[-1], owned=True), _forward(device, ends[-1], context)))
    if device.type is CharType.SPICEVMC and target.name not in (None, _SPICE_NAME):
        raise _refused(device, context, f"Unsupported spicevmc target name '{target.name}'", "target/@name")
    where = place.of(device, context)
    usual = _SPICE_NAME if device.type is CharType.SPICEVMC else None
    name = given(name=target.name or usual)
    return Parts(ends, {"driver": "virtserialport", **where, "chardev": ends[-1].id, "id": device.alias, **name})


def _forward(device: Channel, end: Backend, context: Context) -> Backend:
    """A user network of which a single address leads to a chardev."""
    target = device.target
    address, port = (target.address, target.port) if target is not None else (None, None)
    host = f"[{address}]" if address and ":" in address else address
    rule = f"tcp:{host}:{port}-chardev:{end.id}"
    properties = {"type": "user", "guestfwd": [{"str": rule}], "id": device.alias}
    return Backend(BackendKind.NETDEV, properties, json=context.has("netdev.json"))


def _refused(device: CharDevice, context: Context, message: str, path: str) -> ConfigUnsupported:
    return ConfigUnsupported(
        message, domain=context.domain.name, evidence={"path": f"/domain/devices/{device.element_tag}/{path}"}
    )
