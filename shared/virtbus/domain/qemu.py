"""libvirt's QEMU namespace: what goes straight to QEMU's command line or to a device's properties."""

from __future__ import annotations

from enum import StrEnum

from virtbus.xml import Element, attribute, child, children, namespace

namespace("qemu", "http://libvirt.org/schemas/domain/qemu/1.0")


class QemuArgument(Element, tag="qemu:arg"):
    """An argument of the command line."""

    value: str = attribute()


class QemuVariable(Element, tag="qemu:env"):
    """An environment variable of the process."""

    name: str = attribute()
    value: str | None = attribute()


class QemuCommandline(Element, tag="qemu:commandline"):
    """Arguments and variables that are passed on as they are."""

    arguments: list[QemuArgument] = children()
    variables: list[QemuVariable] = children()


class QemuPropertyType(StrEnum):
    """What kind of value a property has; `remove` leaves it out."""

    STRING = "string"
    SIGNED = "signed"
    UNSIGNED = "unsigned"
    BOOL = "bool"
    REMOVE = "remove"


class QemuProperty(Element, tag="qemu:property"):
    """A property of a device that is set or removed."""

    name: str = attribute()
    type: QemuPropertyType = attribute()
    value: str | None = attribute()


class QemuFrontend(Element, tag="qemu:frontend"):
    """The guest's side of a device."""

    properties: list[QemuProperty] = children()


class QemuDevice(Element, tag="qemu:device"):
    """Which device is overridden, by its alias."""

    alias: str = attribute()
    frontend: QemuFrontend | None = child()


class QemuOverride(Element, tag="qemu:override"):
    """Properties of devices that differ from what the model says."""

    devices: list[QemuDevice] = children()


class QemuCapability(Element):
    """A capability's name."""

    capability: str = attribute()


class QemuCapabilities(Element, tag="qemu:capabilities"):
    """Capabilities of QEMU that are assumed or denied, for tests."""

    added: list[QemuCapability] = children("qemu:add")
    removed: list[QemuCapability] = children("qemu:del")


class QemuDeprecation(Element, tag="qemu:deprecation"):
    """What QEMU does when it is asked for something deprecated."""

    behavior: str | None = attribute()
