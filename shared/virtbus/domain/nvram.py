"""The NVRAM of POWER guests."""

from __future__ import annotations

from virtbus.domain.device import Device


class Nvram(Device, tag="nvram", empty=True):
    """The NVRAM of a POWER guest."""
