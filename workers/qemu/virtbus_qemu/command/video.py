"""Video cards."""

from __future__ import annotations

from typing import Any

from virtbus.domain.video import Acceleration, Video, VideoModel, VideoType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place, stream
from virtbus_qemu.command.parts import Backend, Context, Parts, given, on_off

#: QEMU's cards without virtio: as the primary one, and as a further one.
_CARDS: dict[VideoType, tuple[str, str | None]] = {
    VideoType.VGA: ("VGA", None),
    VideoType.CIRRUS: ("cirrus-vga", None),
    VideoType.QXL: ("qxl-vga", "qxl"),
    VideoType.BOCHS: ("bochs-display", None),
    VideoType.VMVGA: ("vmware-svga", None),
    VideoType.RAMFB: ("ramfb", None),
}

_MIB = 1024
_KIB = 1024

VHOST_USER = "vhostuser"
"""The driver of a card that a process of its own draws."""


def describe(device: Video, context: Context) -> Parts:
    """A video card.

    :raise ConfigUnsupported: QEMU has no such card.
    """
    model = device.model or VideoModel()
    if model.type is VideoType.NONE:
        return Parts()
    is_primary = bool(model.primary) or context.domain.devices.videos[0] is device
    outside = device.driver is not None and device.driver.name == VHOST_USER
    name = _name(device, model, is_primary, outside, _draws_3d(model), context)
    resolution = model.resolution
    guest = {
        "driver": name,
        # The variants with VGA know nothing of virtio's options.
        **(place.virtio(device.driver) if name.startswith(_PLAIN_VIRTIO) else {}),
        "id": device.alias,
        **({"max_outputs": model.heads} if model.heads and model.type in _MANY_HEADS else {}),
        **({"chardev": f"chr-vu-{device.alias}"} if outside else _memory(model, context)),
        **({"xres": resolution.x, "yres": resolution.y} if resolution else {}),
        **place.of(device, context),
    }
    if not outside:
        return Parts(device=guest)
    return Parts((_painter(device, context),), guest)


def _painter(device: Video, context: Context) -> Backend:
    """The connection to the process that draws the card: one that was opened for QEMU, or to its socket."""
    name, number = f"chr-vu-{device.alias}", context.settings.descriptors.vhost_user_gpu
    if number is None:
        return stream.client(name, str(context.folder / f"{device.alias}-vhost-user-gpu.sock"), context)
    where = {"type": "fd", "data": {"str": str(number)}}
    properties = {"id": name, "backend": {"type": "socket", "data": {"addr": where, "server": False}}}
    return stream.chardev(properties, context)


_PLAIN_VIRTIO = ("virtio-gpu", "vhost-user-gpu")

_MANY_HEADS = (VideoType.QXL, VideoType.VIRTIO)


def _name(device: Video, model: VideoModel, is_primary: bool, outside: bool, drawn: bool, context: Context) -> str:
    if model.type is not VideoType.VIRTIO:
        names = _CARDS.get(model.type, (None, None))
        name = names[0] if is_primary else names[1]
        if name is None:
            raise ConfigUnsupported(
                f"video type '{model.type}' is only valid as primary video device"
                if names[0]
                else f"domain configuration does not support video model '{model.type}'",
                domain=context.domain.name,
                evidence={"path": "/domain/devices/video/model/@type"},
            )
        return name
    if is_primary and context.has("vhost-user-vga" if outside else "virtio-vga"):
        if outside:
            return "vhost-user-vga"
        return "virtio-vga-gl" if drawn and context.has("virtio-vga-gl") else "virtio-vga"
    if outside:
        return place.virtio_name("vhost-user-gpu", device, context)
    drawn = drawn and context.has("virtio-gpu-gl-pci")
    return place.virtio_name("virtio-gpu-gl" if drawn else "virtio-gpu", device, context)


def _draws_3d(model: VideoModel) -> bool:
    acceleration = model.acceleration or Acceleration()
    # No card draws in two dimensions by itself (see `checks.displays`).
    _ = acceleration.accel2d
    return bool(acceleration.accel3d)


def _memory(model: VideoModel, context: Context) -> dict[str, Any]:
    """A card's memory and what else only some have: XML has KiB; QEMU has MiB here, bytes there."""
    match model.type:
        case VideoType.VGA | VideoType.VMVGA:
            flag = "VGA.vgamem_mb" if model.type is VideoType.VGA else "vmware-svga.vgamem_mb"
            return {"vgamem_mb": model.vram // _MIB} if model.vram and context.has(flag) else {}
        case VideoType.CIRRUS:
            # libvirt shows 16 MiB for every Cirrus card and leaves it to QEMU how much it has.
            _ = model.vram
        case VideoType.BOCHS if model.vram:
            return {"vgamem": model.vram * _KIB}
        case VideoType.QXL:
            sizes = {"ram_size": model.ram, "vram_size": model.vram}
            memory = {name: kib * _KIB for name, kib in sizes.items() if kib}
            if context.has("qxl.vram64_size_mb"):
                memory["vram64_size_mb"] = (model.vram64 or 0) // _MIB
            if context.has("qxl.vgamem_mb"):
                memory["vgamem_mb"] = (model.vgamem or 0) // _MIB
            return memory
        case VideoType.VIRTIO:
            return given(blob=model.blob, edid=on_off(model.edid))
    return {}
