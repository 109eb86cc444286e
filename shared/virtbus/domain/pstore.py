"""Persistent stores: where a crashing guest leaves its last words."""

from __future__ import annotations

from virtbus.domain.device import Device
from virtbus.xml import attribute, child


class Pstore(Device, tag="pstore"):
    """Where a crashing guest leaves its last words; `size` is in KiB."""

    backend: str = attribute()
    path: str | None = child()
    size: int | None = child(unit="KiB")
