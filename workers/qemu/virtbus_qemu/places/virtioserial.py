"""Ports of virtio-serial controllers, by which channels reach the guest.

A console that names no port gets one from QEMU; libvirt leaves it so.
"""

from __future__ import annotations

from virtbus.domain.address import VirtioSerialAddress
from virtbus.domain.chardev import Channel, ChannelTargetType
from virtbus.domain.controller import Controller, ControllerType
from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus.domain.lookup import insert
from virtbus.errors import XmlError

_PORTS = 31
"""How many ports a controller has unless it says otherwise; QEMU's largest number."""


def assign(domain: Domain) -> None:
    """Give every channel its port; port 0 stays for consoles. A controller is added where all ports are taken.

    :raise XmlError: two devices have the same port, or one that its controller has not.
    """
    _check(domain)
    for channel in domain.devices.channels:
        place(domain, channel, grow=True)


def place(domain: Domain, device: Device, *, grow: bool = False) -> None:
    """Give one channel its port, where it has none.

    :param grow: whether a controller may be added: not while the domain runs.
    :raise XmlError: no port is left.
    """
    if not isinstance(device, Channel) or device.target is None or device.target.type is not ChannelTargetType.VIRTIO:
        return
    address = device.address
    if isinstance(address, VirtioSerialAddress):
        if not address.port:
            address.port, address.bus = _on_controller(domain, address.controller), 0
    elif address is None:
        device.address = _anywhere(domain, grow=grow)


def _on_controller(domain: Domain, index: int) -> int:
    for controller in _controllers(domain):
        if controller.index == index:
            port = _free_port(domain, controller)
            if port is None:
                raise XmlError(f"Unable to find a free port on virtio-serial controller {index}", domain=domain.name)
            return port
    raise XmlError(f"virtio-serial controller {index} not available", domain=domain.name)


def _anywhere(domain: Domain, *, grow: bool) -> VirtioSerialAddress:
    controllers = _controllers(domain)
    for controller in controllers:
        port = _free_port(domain, controller)
        if port is not None:
            return VirtioSerialAddress(controller=controller.index or 0, bus=0, port=port)
    if not grow:
        raise XmlError("Unable to find a free virtio-serial port", domain=domain.name)
    indices = {each.index for each in controllers}
    index = next(number for number in range(len(indices) + 1) if number not in indices)
    insert(domain, Controller(type=ControllerType.VIRTIO_SERIAL, index=index))
    return VirtioSerialAddress(controller=index, bus=0, port=1)


def _free_port(domain: Domain, controller: Controller) -> int | None:
    taken = {address.port for address in _addresses(domain) if address.controller == controller.index}
    return next((port for port in range(1, _count(controller)) if port not in taken), None)


def _count(controller: Controller) -> int:
    return _PORTS if controller.ports is None else controller.ports


def _check(domain: Domain) -> None:
    counts = {each.index: _count(each) for each in _controllers(domain)}
    taken = set()
    for address in _addresses(domain):
        place = (address.controller, address.port)
        if address.controller not in counts:
            raise XmlError(f"virtio serial controller {address.controller} is missing", domain=domain.name)
        if address.port >= counts[address.controller]:
            raise XmlError(
                f"virtio serial controller {address.controller} does not have port {address.port}", domain=domain.name
            )
        if address.port and place in taken:
            raise XmlError(
                f"virtio serial port {address.port} on controller {address.controller} is already occupied",
                domain=domain.name,
            )
        taken.add(place)


def _controllers(domain: Domain) -> list[Controller]:
    found = [each for each in domain.devices.controllers if each.type is ControllerType.VIRTIO_SERIAL]
    return sorted(found, key=lambda each: each.index or 0)


def _addresses(domain: Domain) -> list[VirtioSerialAddress]:
    ports = (*domain.devices.channels, *domain.devices.consoles)
    return [each.address for each in ports if isinstance(each.address, VirtioSerialAddress)]
