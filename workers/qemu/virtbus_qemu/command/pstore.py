"""Persistent stores."""

from __future__ import annotations

from virtbus.domain.pstore import Pstore
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Backend, BackendKind, Context, Parts

_KIB = 1024


def describe(device: Pstore, context: Context) -> Parts:
    """A store in ACPI's error record serialization table (ERST), kept in a file of the host."""
    # There is one kind of backend.
    _ = device.backend
    host = Backend(
        BackendKind.OBJECT,
        {
            "qom-type": "memory-backend-file",
            "id": f"mem{device.alias}",
            "mem-path": device.path,
            "size": (device.size or 0) * _KIB,
            "share": True,
        },
    )
    guest = {"driver": "acpi-erst", "id": device.alias, "memdev": host.id, **place.of(device, context)}
    return Parts((host,), guest)
