"""Displays: the servers and windows that show the guest's screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from virtbus.domain.domain import Domain
from virtbus.domain.graphics import Graphics, GraphicsType, OpenGl
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import spice, vnc
from virtbus_qemu.command.parts import Context, Parts, escape, on_off
from virtbus_qemu.settings import QemuSettings


def describe(device: Graphics, context: Context) -> Parts:
    """A display.

    :raise ConfigUnsupported: QEMU has no such display.
    """
    show = _BY_TYPE.get(device.type)
    if show is None:
        raise ConfigUnsupported(
            f"unsupported graphics type '{device.type}'",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/graphics/@type"},
        )
    return show(device, context)


def _sdl(device: Graphics, context: Context) -> Parts:
    """A window; where it opens is said by the environment (`environment`). QEMU chooses the host's sound for it."""
    drawing = device.gl or OpenGl()
    window = _display("sdl", gl=on_off(drawing.enable))
    return replace(window, before=("-full-screen",)) if device.fullscreen else window


def _egl_headless(device: Graphics, context: Context) -> Parts:
    drawing = device.gl or OpenGl()
    can_choose = context.has("egl-headless.rendernode")
    return _display("egl-headless", rendernode=drawing.render_node if can_choose else None)


def _dbus(device: Graphics, context: Context) -> Parts:
    """On D-Bus: to those that ask QEMU itself, or on a bus."""
    drawing = device.gl or OpenGl()
    where = {"p2p": "on"} if device.p2p else {"addr": device.bus_address or _own_bus(context)}
    audio = f"audio{device.audio}" if device.audio else None
    return _display("dbus", **where, gl=on_off(drawing.enable), rendernode=drawing.render_node, audiodev=audio)


def _rdp(device: Graphics, context: Context) -> Parts:
    """A helper process speaks RDP; it sees the screen on the domain's own bus, for which there is a display of its
    own (type dbus)."""
    return Parts()


def _own_bus(context: Context) -> str:
    number = -1 if context.domain.id is None else context.domain.id
    return f"unix:path={context.settings.runtime}/dbus/{number}-{context.domain.name[:_SHORT]}-dbus.sock"


#: Of a domain's name, so much is in the names of its files (libvirt: virDomainDefGetShortName).
_SHORT = 20


def _display(kind: str, **options: str | None) -> Parts:
    words = [f"{name}={escape(value)}" for name, value in options.items() if value is not None]
    return Parts(options=("-display", ",".join([kind, *words])))


_BY_TYPE: dict[GraphicsType, Callable[[Graphics, Context], Parts]] = {
    GraphicsType.VNC: vnc.describe,
    GraphicsType.SPICE: spice.describe,
    GraphicsType.SDL: _sdl,
    GraphicsType.EGL_HEADLESS: _egl_headless,
    GraphicsType.DBUS: _dbus,
    GraphicsType.RDP: _rdp,
}


def environment(domain: Domain, settings: QemuSettings) -> dict[str, str]:
    """The environment variables by which QEMU finds an X server, and SASL its settings."""
    variables: dict[str, Any] = {}
    sasl = {GraphicsType.VNC: settings.display.vnc_sasl, GraphicsType.SPICE: settings.display.spice_sasl}
    for device in domain.devices.graphics:
        if device.type is GraphicsType.SDL:
            variables |= {"XAUTHORITY": device.xauth, "DISPLAY": device.display}
        elif sasl.get(device.type) and settings.display.sasl is not None:
            variables["SASL_CONF_PATH"] = settings.display.sasl
    return {name: str(value) for name, value in variables.items() if value is not None}
