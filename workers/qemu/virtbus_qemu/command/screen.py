"""Video cards and VNC."""

from __future__ import annotations

from typing import Any

from virtbus.domain.graphics import Graphics, GraphicsType, ListenType
from virtbus.domain.video import Video, VideoModel, VideoType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Command, Context, Parts, escape, given, on_off

#: QEMU's cards: as the primary one, and as a further one (None: it cannot be one).
_CARDS: dict[VideoType, tuple[str, str | None]] = {
    VideoType.VGA: ("VGA", "secondary-vga"),
    VideoType.CIRRUS: ("cirrus-vga", None),
    VideoType.QXL: ("qxl-vga", "qxl"),
    VideoType.VIRTIO: ("virtio-vga", "virtio-gpu-pci"),
    VideoType.BOCHS: ("bochs-display", "bochs-display"),
    VideoType.VMVGA: ("vmware-svga", None),
}

_MIB = 1024

#: The first VNC display is port 5900 (RFC 6143).
_VNC_BASE = 5900


def video(device: Video, context: Context) -> Parts:
    """A video card.

    :raise ConfigUnsupported: QEMU has no such card.
    """
    model = device.model or VideoModel()
    if model.type is VideoType.NONE:
        return Parts()
    is_primary = bool(model.primary) or context.domain.devices.videos[0] is device
    names = _CARDS.get(model.type, (None, None))
    name = names[0] if is_primary else names[1]
    if name is None:
        raise ConfigUnsupported(
            f"video card {model.type} is not supported" + ("" if is_primary else " as a further one"),
            domain=context.domain.name,
            evidence={"path": "/domain/devices/video/model/@type"},
        )
    size = {"xres": model.resolution.x, "yres": model.resolution.y} if model.resolution else {}
    return Parts(
        device={
            "driver": name,
            "id": device.alias,
            **place.virtio(device.driver),
            **_memory(model),
            **({"max_outputs": model.heads} if model.heads and model.type in _MANY_HEADS else {}),
            **given(blob=model.blob, edid=on_off(model.edid)),
            **size,
            **place.pci(device, context),
        }
    )


_MANY_HEADS = (VideoType.QXL, VideoType.VIRTIO)


def _memory(model: VideoModel) -> dict[str, Any]:
    """A card's memory: XML has KiB; QEMU has MiB here, bytes there."""
    match model.type:
        case VideoType.VGA | VideoType.VMVGA | VideoType.CIRRUS if model.vram:
            return {"vgamem_mb": model.vram // _MIB}
        case VideoType.BOCHS if model.vram:
            return {"vgamem": model.vram * 1024}
        case VideoType.QXL:
            sizes = {"ram_size": model.ram, "vram_size": model.vram}
            memory = {name: kib * 1024 for name, kib in sizes.items() if kib}
            if model.vgamem:
                memory["vgamem_mb"] = model.vgamem // _MIB
            return memory | ({"vram64_size_mb": model.vram64 // _MIB} if model.vram64 else {})
    return {}


def graphics(device: Graphics, context: Context) -> Parts:
    """A VNC server; its port was chosen before (`live.prepare`).

    :raise ConfigUnsupported: it is not VNC, or listens in a way that is not supported.
    """
    if device.type is not GraphicsType.VNC:
        raise ConfigUnsupported(
            f"graphics of type {device.type} are not supported",
            domain=context.domain.name,
            hint="vnc is",
            evidence={"path": "/domain/devices/graphics/@type"},
        )
    if len(device.listens) > 1:
        raise ConfigUnsupported("a VNC server listens on one address only", domain=context.domain.name)
    words = [_where(device, context)]
    words += [f"share={device.share_policy.value}"] if device.share_policy else []
    words += ["power-control=" + ("on" if device.power_control else "off")] if device.power_control is not None else []
    words += ["password=on"] if device.password else []
    words += [f"websocket={device.websocket}"] if device.websocket and device.websocket > 0 else []
    if device.audio or context.domain.devices.audios:
        words.append(f"audiodev=audio{device.audio or context.domain.devices.audios[0].id}")
    options = ("-vnc", ",".join(words), *(("-k", device.keymap) if device.keymap else ()))
    return Parts(options=options, settle=_settle(device))


def _where(device: Graphics, context: Context) -> str:
    listen = device.listens[0] if device.listens else None
    if listen is not None and listen.type is ListenType.SOCKET:
        # Who chose the path makes no difference.
        _ = listen.auto_generated, device.socket
        return f"unix:{escape(listen.socket or '')}"
    if listen is not None and listen.type is ListenType.NONE:
        return "none"
    if listen is not None and listen.type is ListenType.NETWORK:
        raise ConfigUnsupported(
            "a VNC server cannot listen on a virtual network",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/graphics/listen/@network"},
        )
    address = (listen.address if listen else None) or device.listen or context.settings.display.vnc_listen
    shown = f"[{address}]" if ":" in address else address
    # Whether the port was chosen by the worker or by the definition makes no difference any more.
    _ = device.autoport
    return f"{shown}:{(device.port or _VNC_BASE) - _VNC_BASE}"


def _settle(device: Graphics) -> tuple[Command, ...]:
    if not device.password:
        return ()
    _ = device.connected
    commands = [Command("set_password", {"protocol": "vnc", "password": device.password, "connected": "keep"})]
    if device.password_valid_to:
        commands.append(Command("expire_password", {"protocol": "vnc", "time": device.password_valid_to}))
    return tuple(commands)
