"""Input devices: mouse, tablet, keyboard, and those passed through from the host."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device, VirtioDriver
from virtbus.xml import Element, OnOff, attribute, child


class InputType(StrEnum):
    """What the guest takes the device for."""

    MOUSE = "mouse"
    TABLET = "tablet"
    KEYBOARD = "keyboard"
    PASSTHROUGH = "passthrough"
    EVDEV = "evdev"


class InputBus(StrEnum):
    """Which bus an input device is on."""

    PS2 = "ps2"
    USB = "usb"
    XEN = "xen"
    PARALLELS = "parallels"
    VIRTIO = "virtio"
    NONE = "none"


class InputModel(StrEnum):
    """Which generation of virtio an input device speaks."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class InputGrab(StrEnum):
    """Whether all input devices are grabbed together."""

    ALL = "all"


class GrabToggle(StrEnum):
    """Which keys pressed together let go of the grabbed devices."""

    CTRL_CTRL = "ctrl-ctrl"
    ALT_ALT = "alt-alt"
    SHIFT_SHIFT = "shift-shift"
    META_META = "meta-meta"
    SCROLLLOCK = "scrolllock"
    CTRL_SCROLLLOCK = "ctrl-scrolllock"


class InputSource(Element, tag="source"):
    """The host's device that is passed through."""

    evdev: str | None = attribute()
    dev: str | None = attribute()
    grab: InputGrab | None = attribute()
    grab_toggle: GrabToggle | None = attribute("grabToggle")
    repeat: OnOff | None = attribute()


class Input(Device, tag="input"):
    """An input device."""

    type: InputType = attribute()
    bus: InputBus | None = attribute()
    model: InputModel | None = attribute()
    driver: VirtioDriver | None = child()
    source: InputSource | None = child()
