"""The host's sound."""

from __future__ import annotations

from virtbus.domain.sound import AudioType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.parts import Context, compact


def audio(context: Context) -> list[str]:
    """-audiodev.

    :raise ConfigUnsupported: a way of playing sound that is not supported.
    """
    options: list[str] = []
    for each in context.domain.devices.audios:
        if each.type is not AudioType.NONE:
            raise ConfigUnsupported(
                f"audio of type {each.type} is not supported",
                domain=context.domain.name,
                evidence={"path": "/domain/devices/audio/@type"},
            )
        options += ["-audiodev", compact({"id": f"audio{each.id}", "driver": "none"})]
    return options
