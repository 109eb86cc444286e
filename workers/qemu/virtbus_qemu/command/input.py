"""Input devices: mouse, tablet, keyboard, and those of the host."""

from __future__ import annotations

from virtbus.domain.input import Input, InputBus, InputGrab, InputSource, InputType
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts, given

#: QEMU's names of a kind on USB, and of its virtio device without the transport.
_USB = {InputType.MOUSE: "usb-mouse", InputType.TABLET: "usb-tablet", InputType.KEYBOARD: "usb-kbd"}
_VIRTIO = {
    InputType.MOUSE: "virtio-mouse",
    InputType.TABLET: "virtio-tablet",
    InputType.KEYBOARD: "virtio-keyboard",
    InputType.PASSTHROUGH: "virtio-input-host",
}


def describe(device: Input, context: Context) -> Parts:
    """An input device; those on PS/2 are part of the machine."""
    if device.type is InputType.EVDEV:
        return Parts((_evdev(device),))
    if device.bus is InputBus.USB:
        return Parts(device={"driver": _USB[device.type], "id": device.alias, **place.of(device, context)})
    if device.bus is not InputBus.VIRTIO:
        return Parts()
    evdev = device.source.evdev if device.source and device.type is InputType.PASSTHROUGH else None
    return Parts(
        device={
            "driver": place.virtio_name(_VIRTIO[device.type], device, context),
            **place.virtio(device.driver),
            "id": device.alias,
            **given(evdev=evdev),
            **place.of(device, context),
        }
    )


def _evdev(device: Input) -> Backend:
    """A device of the host whose events QEMU reads and passes on to the guest's own input devices."""
    source = device.source or InputSource()
    properties = {
        "qom-type": "input-linux",
        "id": device.alias,
        "evdev": source.dev,
        "repeat": source.repeat,
        "grab_all": True if source.grab is InputGrab.ALL else None,
        "grab-toggle": source.grab_toggle.value if source.grab_toggle else None,
    }
    return Backend(BackendKind.OBJECT, given(properties))
