"""What a guest without USB may not have."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, detail, of_kind, places, unsupported
from virtbus.domain.controller import Controller, ControllerType, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import UsbHostdev
from virtbus.domain.hub import Hub
from virtbus.domain.input import Input, InputBus
from virtbus.domain.redirdev import Redirdev

_NOT_WITHOUT = (
    (Hub, "Can't add USB hub: USB is disabled for this domain"),
    (UsbHostdev, "Device configuration is not compatible: Domain has no USB bus support"),
    (Redirdev, "Device configuration is not compatible: Domain has no USB bus support"),
)


def check_disabled(domain: Domain) -> Problems:
    """A USB controller of model none means that there is no USB at all."""
    controllers = [(path, each) for path, each in of_kind(domain, Controller) if each.type is ControllerType.USB]
    if not any(each.model == UsbModel.NONE for _, each in controllers):
        return
    if len(controllers) > 1:
        yield detail("Can't add another USB controller: USB is disabled for this domain", controllers[-1][0])
    for path, device in places(domain):
        if message := _refusal(device):
            yield unsupported(message, path)


def _refusal(device: Device) -> str | None:
    """Why a device cannot be where there is no USB, None where it can."""
    if isinstance(device, Input) and device.bus is InputBus.USB:
        return "Can't add USB input device. USB bus is disabled"
    if isinstance(device, Disk) and device.target.bus is DiskBus.USB:
        return "Device configuration is not compatible: Domain has no USB bus support"
    return next((message for kind, message in _NOT_WITHOUT if isinstance(device, kind)), None)
