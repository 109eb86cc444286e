"""Hubs: more ports for USB devices."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device
from virtbus.xml import attribute


class HubType(StrEnum):
    """Which bus a hub widens."""

    USB = "usb"


class Hub(Device, tag="hub"):
    """A USB hub."""

    type: HubType = attribute()
