"""Operations on a domain's devices: one mechanism for every kind of device, by alias."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from virtbus.names import Alias
from virtbus.operations.declaration import DomainOperation, Kind
from virtbus.operations.fields import Affect, Document


class DeviceSummary(BaseModel):
    """A device of a domain."""

    alias: str | None
    """None for a device of the persistent definition without a user alias."""
    kind: str
    """The element's name in libvirt's XML: disk, interface, controller, ..."""
    xml: str
    model: dict[str, Any]
    """The same as JSON."""
    pending: bool = False
    """The guest was asked to let go of it."""


class DeviceList(BaseModel):
    """A domain's devices, in libvirt's order."""

    devices: list[DeviceSummary]


class Attachment(BaseModel):
    """What an attach left."""

    alias: str | None
    xml: str


class Detachment(BaseModel):
    """What became of a removal; only the guest's acknowledgement, its reset or its exit make it `removed`."""

    alias: str
    outcome: Literal["removed", "rejected", "pending"]
    by: Literal["guest", "reset", "exit", "config"] = "guest"
    """What completed it: `config` where only the persistent definition had the device."""


class ListDevices(DomainOperation[DeviceList]):
    """List a domain's devices with their aliases."""

    name = "device.list"
    kind = Kind.RECORD
    permission = "domain:read"
    http = "GET /v1/hosts/{host}/domains/{domain}/devices"
    verb = "devices"

    live: bool | None = None
    device_kind: str | None = None
    """Only devices of this element name."""


class AttachDevice(DomainOperation[Attachment]):
    """Attach a device, given as libvirt's XML."""

    name = "device.attach"
    kind = Kind.JOB
    facet = "Devices"
    permission = "device:attach"
    http = "POST /v1/hosts/{host}/domains/{domain}/devices"
    body = "xml"
    wire = "domain_attach_device_flags"
    verb = "attach-device"

    xml: Document
    affect: Affect = Affect.CURRENT


class DetachDevice(DomainOperation[Detachment]):
    """Detach a device by its alias; ends when the guest has let go of it."""

    name = "device.detach"
    kind = Kind.JOB
    facet = "Devices"
    permission = "device:detach"
    http = "DELETE /v1/hosts/{host}/domains/{domain}/devices/{alias}"
    wire = "domain_detach_device_alias"
    verb = "detach-device-alias"

    alias: Alias
    affect: Affect = Affect.CURRENT


class DetachDescribed(DomainOperation[Detachment]):
    """Detach the one device that a description fits (by target, MAC, address, ...), as if its alias had been given."""

    name = "device.detach-described"
    kind = Kind.JOB
    facet = "Devices"
    permission = "device:detach"
    http = "POST /v1/hosts/{host}/domains/{domain}/devices:detach"
    body = "xml"
    wire = "domain_detach_device_flags"
    verb = "detach-device"

    xml: Document
    affect: Affect = Affect.CURRENT


class UpdateDevice(DomainOperation[Attachment]):
    """Change a device in place: its medium, link state, password, balloon period, size or whatever its kind allows."""

    name = "device.update"
    kind = Kind.JOB
    facet = "Devices"
    permission = "device:attach"
    http = "PUT /v1/hosts/{host}/domains/{domain}/devices/{alias}"
    body = "xml"
    wire = "domain_update_device_flags"
    verb = "update-device"

    alias: Alias
    xml: Document
    affect: Affect = Affect.CURRENT
    force: bool = False
    """Open a locked tray."""


class ChangeMedia(DomainOperation[Attachment]):
    """Insert, exchange or eject the medium of a CD-ROM or floppy drive."""

    name = "device.change-media"
    kind = Kind.JOB
    facet = "Devices"
    permission = "device:attach"
    http = "POST /v1/hosts/{host}/domains/{domain}/devices/{alias}/media"
    verb = "change-media"

    alias: Alias
    source: str | None = None
    """The file; None ejects."""
    affect: Affect = Affect.CURRENT
    force: bool = False
