"""VNC servers."""

from __future__ import annotations

from virtbus.domain.graphics import Graphics, ListenType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import credentials, password
from virtbus_qemu.command.audio import audio_of
from virtbus_qemu.command.parts import Backend, Context, Parts, escape, on_off

FIRST_PORT = 5900
"""Of display 0 (RFC 6143)."""

CREDENTIALS = "vnc-tls-creds0"
"""The object with the certificates of VNC servers."""


def describe(device: Graphics, context: Context) -> Parts:
    """A VNC server; where it listens was decided before (`displays.prepare`).

    :raise ConfigUnsupported: QEMU has no VNC server, or it is to listen twice.
    """
    settings = context.settings.display
    if not context.has("vnc"):
        raise ConfigUnsupported("vnc graphics are not supported with this QEMU", domain=context.domain.name)
    if len(device.listens) > 1:
        raise ConfigUnsupported(
            "QEMU does not support multiple listens for one graphics device", domain=context.domain.name
        )
    words = [_where(device, context)]
    words += [f"share={device.share_policy}"] if device.share_policy else []
    words += [f"power-control={on_off(device.power_control)}"] if device.power_control is not None else []
    words += ["password=on"] if password.of_display(device, settings) is not None else []
    made: list[Backend] = []
    if settings.vnc_tls.enabled:
        made = credentials.tls(context, CREDENTIALS, settings.vnc_tls)
        words.append(f"tls-creds={CREDENTIALS}")
    words += ["sasl=on"] if settings.vnc_sasl else []
    audio = audio_of(device.audio, context)
    words += [f"audiodev={audio}"] if audio else []
    options = ("-vnc", ",".join(words), *(("-k", device.keymap) if device.keymap else ()))
    return Parts(tuple(made), options=options, settle=tuple(password.commands(device, settings)))


def _where(device: Graphics, context: Context) -> str:
    listen = device.listens[0] if device.listens else None
    # Who chose the port, the address or the path makes no difference any more.
    _ = (
        device.port,
        device.autoport,
        device.socket,
        device.listen,
        listen and (listen.from_config, listen.auto_generated),
    )
    if listen is not None and listen.type is ListenType.SOCKET:
        return f"vnc=unix:{escape(listen.socket or '')}"
    if listen is not None and listen.type is ListenType.NONE:
        return "none"
    address = (listen.address if listen else None) or device.listen or context.settings.display.vnc_listen
    shown = f"[{escape(address)}]" if ":" in address else escape(address)
    websocket = f",websocket={device.websocket}" if device.websocket and device.websocket > 0 else ""
    return f"{shown}:{(device.port or FIRST_PORT) - FIRST_PORT}{websocket}"
