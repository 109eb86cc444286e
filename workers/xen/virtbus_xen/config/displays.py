"""How people see the guest: a full guest's settings of their own, a paravirtual one's frame buffers, and SPICE."""

from __future__ import annotations

from collections.abc import Mapping

from virtbus.domain import Domain, Graphics, GraphicsType
from virtbus.domain.chardev import MouseMode
from virtbus.domain.graphics import Listen, ListenType
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.guest import is_full
from virtbus_xen.config.syntax import Settings

FIRST_PORT = 5900
"""The TCP port of VNC's display 0."""


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    graphics = domain.devices.graphics
    if is_full(domain):
        if settings.flag("vnc"):
            graphics.append(_vnc({name: settings.get(name) for name in ("vncunused", "vncdisplay", "vnclisten",
                                                                        "vncpasswd", "keymap")}))  # fmt: skip
        elif settings.flag("sdl"):
            graphics.append(_sdl({"display": settings.text("display"), "xauthority": settings.text("xauthority")}))
        elif dialect is Dialect.XL and settings.flag("spice"):
            graphics.append(_spice(settings))
        return
    for text in settings.texts("vfb")[:1]:
        said = dict(_pair(word) for word in text.split(","))
        graphics.append(_sdl(said) if said.get("type") == "sdl" or said.get("sdl") == "1" else _vnc(said))


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name.strip(), value.strip()


def _vnc(said: Mapping[str, object]) -> Graphics:
    """A free port is looked for unless it says otherwise."""
    automatic = str(said.get("vncunused") or "1") != "0" if said.get("vncunused") != 0 else False
    port = -1 if automatic else FIRST_PORT + int(str(said.get("vncdisplay") or 0))
    address, _, display = str(said.get("vnclisten") or "").partition(":")
    if display.isdigit() and not automatic:
        port = FIRST_PORT + int(display)
    return Graphics(
        type=GraphicsType.VNC, port=port, autoport=automatic, keymap=_text(said.get("keymap")),
        password=_text(said.get("vncpasswd")), listens=[Listen(type=ListenType.ADDRESS, address=address or None)],
    )  # fmt: skip


def _sdl(said: Mapping[str, str | None]) -> Graphics:
    return Graphics(type=GraphicsType.SDL, display=said.get("display"), xauth=said.get("xauthority"))


def _text(value: object) -> str | None:
    return str(value) if value else None


def _spice(settings: Settings) -> Graphics:
    port, tls = settings.number("spiceport"), settings.number("spicetls_port")
    password = settings.text("spicepasswd") if not settings.flag("spicedisable_ticketing") else None
    return Graphics(
        type=GraphicsType.SPICE, port=port, tls_port=tls, autoport=port is None and tls is None, password=password,
        listens=[Listen(type=ListenType.ADDRESS, address=settings.text("spicehost"))],
        mouse_mode=MouseMode.CLIENT if settings.flag("spiceagent_mouse", default=True) else MouseMode.SERVER,
        clipboard=settings.flag("spice_clipboard_sharing"),
    )  # fmt: skip


def write(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    graphics = domain.devices.graphics[0] if domain.devices.graphics else None
    if graphics is None or graphics.type not in (GraphicsType.VNC, GraphicsType.SDL):
        return
    is_vnc = graphics.type is GraphicsType.VNC
    if not is_full(domain):
        words = [f"type={graphics.type}", *(f"{name}={value}" for name, value in _words(graphics).items())]
        settings["vfb"] = [",".join(words)]
        return
    settings["sdl"] = int(not is_vnc)
    settings["vnc"] = int(is_vnc)
    settings.update(_words(graphics))


def _words(graphics: Graphics) -> dict[str, int | str]:
    if graphics.type is GraphicsType.SDL:
        said: dict[str, int | str | None] = {"display": graphics.display, "xauthority": graphics.xauth}
    else:
        automatic = graphics.autoport is not False and graphics.port in (None, -1)
        said = {
            "vncunused": int(automatic),
            "vncdisplay": None if automatic else (graphics.port or FIRST_PORT) - FIRST_PORT,
            "vnclisten": listen_address(graphics),
            "vncpasswd": graphics.password,
            "keymap": graphics.keymap,
        }
    return {name: value for name, value in said.items() if value is not None}


def listen_address(graphics: Graphics) -> str | None:
    """The address on which a server listens."""
    return graphics.listens[0].address if graphics.listens else graphics.listen


def write_spice(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    graphics = domain.devices.graphics[0] if domain.devices.graphics else None
    if dialect is Dialect.XM or not is_full(domain) or graphics is None or graphics.type is not GraphicsType.SPICE:
        return
    settings["sdl"], settings["vnc"], settings["spice"] = 0, 0, 1
    if (address := listen_address(graphics)) is not None:
        settings["spicehost"] = address
    if graphics.port is not None and graphics.port > 0:
        settings["spiceport"] = graphics.port
    if graphics.tls_port is not None and graphics.tls_port > 0:
        settings["spicetls_port"] = graphics.tls_port
    settings["spicedisable_ticketing"] = int(graphics.password is None)
    if graphics.password is not None:
        settings["spicepasswd"] = graphics.password
    if graphics.mouse_mode is not None:
        settings["spiceagent_mouse"] = int(graphics.mouse_mode is MouseMode.CLIENT)
        if graphics.mouse_mode is MouseMode.CLIENT:
            settings["spicevdagent"] = 1
    if graphics.clipboard:
        settings["spicevdagent"] = 1
        settings["spice_clipboard_sharing"] = 1
