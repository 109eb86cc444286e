"""Smartcard readers: what is in the guest's slot."""

from __future__ import annotations

from virtbus.domain.smartcard import Smartcard, SmartcardMode
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts
from virtbus_qemu.command.stream import host_end

_DATABASE = "/etc/pki/nssdb"
"""Where the host's certificates lie unless a database is named."""


def describe(device: Smartcard, context: Context) -> Parts:
    """A smartcard.

    :raise ConfigUnsupported: QEMU has no such cards.
    """
    emulated = device.mode is not SmartcardMode.PASSTHROUGH
    kind = "emulated" if emulated else "passthru"
    if not context.has(f"ccid-{kind}"):
        raise ConfigUnsupported(
            f"this QEMU binary lacks smartcard {'host' if emulated else 'passthrough'} mode support",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/smartcard/@mode"},
        )
    ends = () if emulated else host_end(device, context)
    properties = {"driver": f"ccid-card-{kind}"}
    if device.mode is SmartcardMode.HOST:
        properties["backend"] = "nss-emulated"
    elif device.mode is SmartcardMode.HOST_CERTIFICATES:
        certificates = {f"cert{number}": name for number, name in enumerate(device.certificates, start=1)}
        properties |= {"backend": "certificates", **certificates, "db": device.database or _DATABASE}
    else:
        properties["chardev"] = ends[-1].id
    return Parts(ends, {**properties, "id": device.alias or "", **place.of(device, context)})
