"""The passwords of displays: never on the command line, but told to QEMU over its monitor, with their end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from virtbus.domain.graphics import Graphics, GraphicsType
from virtbus_qemu.command.parts import Command
from virtbus_qemu.settings import DisplaySettings


def of_display(graphics: Graphics, settings: DisplaySettings) -> str | None:
    """What a display asks for; None where everybody may look. With an empty one nobody may.

    :param settings: have the passwords of displays that say none.
    """
    usual = settings.spice_password if graphics.type is GraphicsType.SPICE else settings.vnc_password
    return usual if graphics.password is None else graphics.password


def commands(graphics: Graphics, settings: DisplaySettings) -> Iterator[Command]:
    """What tells QEMU the password, what becomes of who is connected, and until when it is good.

    :param settings: have the passwords of displays that say none.
    """
    password = of_display(graphics, settings)
    if password is None:
        return
    protocol = {"protocol": str(graphics.type)}
    connected = {} if graphics.connected is None else {"connected": str(graphics.connected)}
    yield Command("set_password", {**protocol, "password": password, **connected})
    yield Command("expire_password", {**protocol, "time": _end_of(graphics)})


def _end_of(graphics: Graphics) -> str:
    """The end of a password's life as QEMU wants it: never, now, or seconds since 1970."""
    if graphics.password_valid_to is None:
        return "never"
    end = datetime.fromisoformat(graphics.password_valid_to)
    end = end.replace(tzinfo=end.tzinfo or UTC)
    return "now" if end <= datetime.now(UTC) else str(int(end.timestamp()))
