"""What screens and video cards may not be (libvirt: qemuValidateDomainDeviceDefGraphics, -Video)."""

from __future__ import annotations

from collections.abc import Callable

from virtbus.domain.checks.problem import Problems, malformed, unsupported
from virtbus.domain.graphics import Graphics, GraphicsType, ListenType
from virtbus.domain.memory import MemorySourceType
from virtbus.domain.sound import AudioType
from virtbus.domain.video import Video, VideoModel, VideoType
from virtbus_qemu.checks.scene import Scene

_GRAPHICS_FLAGS: dict[GraphicsType, str] = {
    GraphicsType.SDL: "sdl",
    GraphicsType.VNC: "vnc",
    GraphicsType.SPICE: "spice",
    GraphicsType.EGL_HEADLESS: "egl-headless",
    GraphicsType.DBUS: "display-dbus",
    GraphicsType.RDP: "display-dbus",
}

_VNC_PASSWORD = 8
"""How many characters of a VNC password count (RFC 6143)."""


def check_graphics(scene: Scene, path: str, graphics: Graphics) -> Problems:
    """One screen, and how it goes with the others."""
    kind, gl = graphics.type, graphics.gl
    if kind not in _GRAPHICS_FLAGS or not scene.has(_GRAPHICS_FLAGS[kind]):
        yield unsupported(f"{kind} graphics are not supported with this QEMU", f"{path}/@type")
    if any(each.type is GraphicsType.EGL_HEADLESS for each in scene.domain.devices.graphics):
        if kind not in (GraphicsType.EGL_HEADLESS, GraphicsType.VNC, GraphicsType.SPICE):
            yield unsupported(
                "graphics type 'egl-headless' is only supported with one of: 'vnc', 'spice' graphics types",
                f"{path}/@type",
            )
        elif kind is GraphicsType.SPICE and gl is not None and gl.enable:
            yield unsupported("multiple OpenGL displays are not supported by QEMU", f"{path}/gl")
    own = _GRAPHICS_CHECKS.get(kind)
    if own is not None:
        yield from own(scene, path, graphics)


def _check_spice(scene: Scene, path: str, graphics: Graphics) -> Problems:
    first = graphics.listens[0].type if graphics.listens else ListenType.ADDRESS
    by_port = first in (ListenType.ADDRESS, ListenType.NETWORK)
    if by_port and (graphics.tls_port or 0) > 0 and not scene.settings.display.spice_tls.enabled:
        words = "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf"
        yield unsupported(words, f"{path}/@tlsPort")
    if graphics.gl is None or not graphics.gl.enable:
        return
    if not scene.has("spice-gl"):
        yield unsupported("This QEMU doesn't support spice OpenGL", f"{path}/gl")
    elif graphics.gl.render_node is not None and not scene.has("spice-rendernode"):
        yield unsupported("This QEMU doesn't support spice OpenGL rendernode", f"{path}/gl/@rendernode")


def _check_vnc(scene: Scene, path: str, graphics: Graphics) -> Problems:
    if graphics.power_control is not None and not scene.has("vnc-power-control"):
        yield unsupported("VNC power control is not available", f"{path}/@powerControl")
    if graphics.password is not None and len(graphics.password.encode()) > _VNC_PASSWORD:
        words = f"VNC password is {len(graphics.password.encode())} characters long, only 8 permitted"
        yield unsupported(words, f"{path}/@passwd")


def _check_headless(scene: Scene, path: str, graphics: Graphics) -> Problems:
    chosen = graphics.gl is not None and graphics.gl.render_node is not None
    if chosen and not scene.has("egl-headless.rendernode"):
        words = "This QEMU doesn't support OpenGL rendernode with egl-headless graphics type"
        yield unsupported(words, f"{path}/gl/@rendernode")


def _check_dbus(scene: Scene, path: str, graphics: Graphics) -> Problems:
    audios = [each for each in scene.domain.devices.audios if graphics.audio and each.id == graphics.audio]
    if any(each.type is not AudioType.DBUS for each in audios):
        yield unsupported("The associated audio is not of 'dbus' kind.", f"{path}/audio/@id")


_GRAPHICS_CHECKS: dict[GraphicsType, Callable[[Scene, str, Graphics], Problems]] = {
    GraphicsType.SPICE: _check_spice,
    GraphicsType.VNC: _check_vnc,
    GraphicsType.EGL_HEADLESS: _check_headless,
    GraphicsType.DBUS: _check_dbus,
}


def check_audios(scene: Scene) -> Problems:
    """The host's ends of the guest's sound."""
    with_spice = any(each.type is GraphicsType.SPICE for each in scene.domain.devices.graphics)
    for audio in scene.domain.devices.audios:
        if audio.type is AudioType.SPICE and not with_spice:
            yield unsupported("Spice audio is not supported without spice graphics", "/domain/devices/audio/@type")
        if audio.type is AudioType.DBUS and not scene.has("display-dbus"):
            yield unsupported("D-Bus audio is not supported with this QEMU", "/domain/devices/audio/@type")


#: What shows that QEMU has a card of a type; any of the flags does.
_VIDEO_FLAGS: dict[VideoType, tuple[str, ...]] = {
    VideoType.VGA: ("VGA",),
    VideoType.CIRRUS: ("cirrus-vga",),
    VideoType.VMVGA: ("vmware-svga",),
    VideoType.QXL: ("qxl",),
    VideoType.VIRTIO: ("virtio-gpu", "virtio-gpu-ccw", "vhost-user-gpu"),
    VideoType.BOCHS: ("bochs-display",),
    VideoType.RAMFB: ("ramfb",),
}

#: Cards that may stand beside another one, and have several heads.
_SECOND = (VideoType.QXL, VideoType.VIRTIO)

#: Cards that can be told with which resolution to begin.
_RESIZED = (VideoType.VGA, VideoType.QXL, VideoType.VIRTIO, VideoType.BOCHS)

UINT = (2**32 - 1) // 1024
"""In KiB: a byte count of 32 bits ends there."""

_3D_FLAGS = ("virtio-gpu-gl-pci", "virtio-vga-gl")


def check_video(scene: Scene, path: str, video: Video) -> Problems:
    """One video card."""
    model = video.model
    if model is None or model.type is VideoType.NONE:
        return
    flags = _VIDEO_FLAGS.get(model.type)
    if flags is None or not any(map(scene.has, flags)):
        words = f"domain configuration does not support video model '{model.type}'"
        yield unsupported(words, f"{path}/model/@type")
    if model.type not in _SECOND:
        if not model.primary and video is not scene.domain.devices.videos[0]:
            words = f"video type '{model.type}' is only valid as primary video device"
            yield unsupported(words, f"{path}/model/@primary")
        if model.heads not in (None, 1):
            yield unsupported(f"video type '{model.type}' doesn't support multiple 'heads'", f"{path}/model/@heads")
    if model.acceleration is not None and model.acceleration.accel2d:
        yield unsupported("qemu does not support the accel2d setting", f"{path}/model/acceleration/@accel2d")
    yield from _check_sizes(path, model)
    outside = video.driver is not None and video.driver.name == "vhostuser"
    if outside and model.type is VideoType.VIRTIO and not scene.has("vhost-user-gpu"):
        yield unsupported("this QEMU does not support 'vhost-user' video device", f"{path}/driver/@name")
    if outside and model.type is not VideoType.VIRTIO:
        yield unsupported("'vhostuser' driver is only supported with 'virtio' device", f"{path}/driver/@name")
    if not outside and model.acceleration is not None and model.acceleration.accel3d:
        yield from _check_3d(scene, path, model)
    yield from _check_blob(scene, path, model)
    if model.type is VideoType.RAMFB and video.address is not None:
        yield unsupported("'address' is not supported for 'ramfb' video devices", f"{path}/address")


def _check_3d(scene: Scene, path: str, model: VideoModel) -> Problems:
    where = f"{path}/model/acceleration/@accel3d"
    if model.type is not VideoType.VIRTIO:
        yield unsupported("3d acceleration is supported only with 'virtio' video device", where)
    elif not any(map(scene.has, _3D_FLAGS)):
        yield unsupported("3d acceleration is not supported by this QEMU binary", where)


def _check_blob(scene: Scene, path: str, model: VideoModel) -> Problems:
    if model.type is not VideoType.VIRTIO or model.blob is None:
        return
    backing = scene.domain.memory_backing
    if not scene.has("virtio-gpu.blob"):
        yield unsupported("this QEMU does not support 'blob' for virtio-gpu devices", f"{path}/model/@blob")
    elif model.blob and (backing is None or backing.source is not MemorySourceType.MEMFD):
        words = "'blob' support for virtio-gpu devices requires a memfd memory backend"
        yield unsupported(words, f"{path}/model/@blob")


def _check_sizes(path: str, model: VideoModel) -> Problems:
    if model.type is VideoType.QXL:
        for name in ("vram", "ram"):
            value = getattr(model, name)
            if value is not None and value > UINT:
                yield unsupported(f"value for '{name}' must be less than '{UINT}'", f"{path}/model/@{name}")
        if model.vgamem is not None:
            if model.vgamem < 1024:
                words = "value for 'vgamem' must be at least 1 MiB (1024 KiB)"
                yield unsupported(words, f"{path}/model/@vgamem")
            if model.vgamem & (model.vgamem - 1):
                yield unsupported("value for 'vgamem' must be power of two", f"{path}/model/@vgamem")
    if model.resolution is not None and model.type not in _RESIZED:
        yield malformed("model resolution is not supported", f"{path}/model/resolution")
    if model.type in (VideoType.VGA, VideoType.VMVGA) and model.vram and model.vram < 1024:
        yield unsupported("value for 'vram' must be at least 1 MiB (1024 KiB)", f"{path}/model/@vram")
