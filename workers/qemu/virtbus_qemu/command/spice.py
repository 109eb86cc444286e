"""SPICE servers."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.chardev import MouseMode
from virtbus.domain.graphics import ChannelMode, Graphics, Listen, ListenType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import password
from virtbus_qemu.command.parts import Context, Parts, escape, on_off


def describe(device: Graphics, context: Context) -> Parts:
    """A SPICE server; where it listens was decided before (`displays.prepare`).

    :raise ConfigUnsupported: QEMU has no SPICE, or no encryption is set up where it is asked for.
    """
    settings = context.settings.display
    if not context.has("spice"):
        raise _unsupported(context, "spice graphics are not supported with this QEMU")
    if len(device.listens) > 1:
        raise _unsupported(context, "QEMU does not support multiple listens for one graphics device")
    words = [*_where(device, context)]
    words += ["sasl=on"] if settings.spice_sasl else []
    mouse = {MouseMode.SERVER: "off", MouseMode.CLIENT: "on"}
    words += [f"agent-mouse={mouse[device.mouse_mode]}"] if device.mouse_mode else []
    words += ["disable-ticketing=on"] if password.of_display(device, settings) is None else []
    words += _encryption(device, context)
    words += _quality(device)
    if device.gl is not None and device.gl.enable:
        words.append("gl=on")
        node = device.gl.render_node if context.has("spice-rendernode") else None
        words += [f"rendernode={escape(node)}"] if node else []
    words.append("seamless-migration=on")
    options = ("-spice", ",".join(words), *(("-k", device.keymap) if device.keymap else ()))
    return Parts(options=options, settle=tuple(password.commands(device, settings)))


def _listen(device: Graphics) -> Listen:
    return device.listens[0] if device.listens else Listen(type=ListenType.ADDRESS, address=device.listen)


def _where(device: Graphics, context: Context) -> Iterator[str]:
    listen = _listen(device)
    # Who chose the ports, the address or the path makes no difference any more.
    _ = device.port, device.tls_port, device.autoport, device.listen, listen.from_config, listen.auto_generated
    if listen.type is ListenType.SOCKET:
        yield "unix=on"
        yield f"addr={escape(listen.socket or '')}"
        return
    if listen.type is ListenType.NONE:
        yield "port=0"
        return
    port, secure = _ports(device)
    if port:
        yield f"port={port}"
    if secure:
        if not context.settings.display.spice_tls.enabled:
            raise _unsupported(
                context, "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf", "@tlsPort"
            )
        yield f"tls-port={secure}"
    if port or secure:
        yield f"addr={escape(listen.address or context.settings.display.spice_listen)}"


def _ports(device: Graphics) -> tuple[int, int]:
    """The plain and the encrypted port; 0 for none."""
    return max(device.port or 0, 0), max(device.tls_port or 0, 0)


#: In this order libvirt names the channels.
_CHANNELS = ("main", "display", "inputs", "cursor", "playback", "record", "smartcard", "usbredir")


def _encryption(device: Graphics, context: Context) -> Iterator[str]:
    listen = _listen(device)
    port, secure = _ports(device) if listen.type in (ListenType.ADDRESS, ListenType.NETWORK) else (0, 0)
    plain = bool(port) or listen.type is ListenType.SOCKET
    if secure:
        yield f"x509-dir={escape(str(context.settings.display.spice_tls.folder))}"
    modes = [("default", device.default_mode)]
    modes += [(name, each.mode) for name in _CHANNELS for each in device.channels if each.name == name]
    for name, mode in modes:
        what = "defaultMode" if name == "default" else "channels"
        if mode is ChannelMode.SECURE:
            if not secure:
                raise _unsupported(context, _LACKS_TLS[what])
            yield f"tls-channel={name}"
        elif mode is ChannelMode.INSECURE:
            if not plain:
                raise _unsupported(context, _LACKS_PLAIN[what])
            yield f"plaintext-channel={name}"


_LACKS_TLS = {
    "defaultMode": "spice defaultMode secure requested in XML configuration, but TLS connection is not available",
    "channels": "spice secure channels set in XML configuration, but TLS connection is not available",
}
_LACKS_PLAIN = {
    "defaultMode": (
        "spice defaultMode insecure requested in XML configuration, but plaintext connection is not available"
    ),
    "channels": "spice insecure channels set in XML configuration, but plaintext connection is not available",
}


def _quality(device: Graphics) -> Iterator[str]:
    """What is compressed, and what is passed on."""
    settings = {
        "image-compression": device.image_compression,
        "jpeg-wan-compression": device.jpeg_compression,
        "zlib-glz-wan-compression": device.zlib_compression,
        "playback-compression": on_off(device.playback_compression),
        "streaming-video": device.streaming_mode,
        "disable-copy-paste": "on" if device.clipboard is False else None,
        "disable-agent-file-xfer": "on" if device.file_transfer is False else None,
    }
    return (f"{name}={value}" for name, value in settings.items() if value is not None)


def _unsupported(context: Context, message: str, path: str = "@type") -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=context.domain.name, evidence={"path": f"/domain/devices/graphics/{path}"})
