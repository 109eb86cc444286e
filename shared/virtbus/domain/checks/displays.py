"""What graphics and video may not be."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, detail, malformed, unsupported
from virtbus.domain.domain import Domain
from virtbus.domain.graphics import Connected, GraphicsType, ListenType
from virtbus.domain.video import VideoType


def check_graphics(domain: Domain) -> Problems:
    for number, graphics in enumerate(domain.devices.graphics, start=1):
        path = "/domain/devices/graphics" + (f"[{number}]" if len(domain.devices.graphics) > 1 else "")
        first = graphics.listens[0] if graphics.listens else None
        if first is not None and first.type is ListenType.ADDRESS and graphics.listen not in (None, first.address):
            yield detail(
                f"graphics 'listen' attribute '{graphics.listen}' must match 'address' attribute of first listen "
                f"element (found '{first.address}')",
                f"{path}/@listen",
            )
        for name in ("port", "tls_port", "websocket"):
            port = getattr(graphics, name)
            if port is not None and not -1 <= port <= 65535:
                yield detail(f"{port} is no port", f"{path}/@{name}", "from 0 to 65535, or -1 for a free one")
        asks = graphics.type is GraphicsType.VNC and graphics.password is not None
        if asks and graphics.connected not in (None, Connected.KEEP):
            yield unsupported("VNC supports connected='keep' only", f"{path}/@connected")
        if first is not None and first.type is ListenType.NETWORK and not first.network:
            yield malformed("'network' attribute is required for listen type 'network'", f"{path}/listen/@network")


def check_videos(domain: Domain) -> Problems:
    """A guest without a video card has no other."""
    videos = domain.devices.videos
    if len(videos) > 1 and any(video.model is not None and video.model.type is VideoType.NONE for video in videos):
        yield unsupported(
            "a 'none' video type must be the only video device defined for the domain", "/domain/devices/video"
        )
