"""Properties of devices that the user sets or removes, whatever libvirt's model says (qemu:override)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from virtbus.domain.domain import Domain
from virtbus.domain.qemu import QemuProperty, QemuPropertyType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.parts import Parts


def apply(parts: Parts, domain: Domain) -> Parts:
    """A device with what the user changes of its guest's side, by its alias.

    :raise ConfigUnsupported: a value is not of its type.
    """
    alias = parts.device.get("id") if parts.device is not None else None
    wanted = domain.qemu_override.devices if domain.qemu_override is not None else []
    for each in wanted:
        if parts.device is not None and each.alias == alias and each.frontend is not None:
            changed = dict(parts.device)
            for setting in each.frontend.properties:
                changed.pop(setting.name, None)
                if setting.type is not QemuPropertyType.REMOVE:
                    changed[setting.name] = _value(setting, domain)
            parts = replace(parts, device=changed)
    return parts


_READ: dict[QemuPropertyType, Callable[[str], Any]] = {
    QemuPropertyType.STRING: str,
    QemuPropertyType.SIGNED: lambda text: int(text, 0),
    QemuPropertyType.UNSIGNED: lambda text: int(text, 0),
    QemuPropertyType.BOOL: lambda text: {"true": True, "yes": True, "false": False, "no": False}[text],
}
"""What the text of a value means."""


def _value(setting: QemuProperty, domain: Domain) -> Any:
    try:
        return _READ[setting.type](setting.value or "")
    except (KeyError, ValueError) as error:
        raise ConfigUnsupported(
            f"invalid value '{setting.value}' of 'value' attribute of 'qemu:property'",
            domain=domain.name,
            evidence={"path": "/domain/qemu:override/qemu:device/qemu:frontend/qemu:property/@value"},
        ) from error
