"""Video cards."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device, VirtioOptions
from virtbus.xml import Element, OnOff, UInt, attribute, child


class VideoType(StrEnum):
    """Which card the guest sees."""

    DEFAULT = "default"
    VGA = "vga"
    CIRRUS = "cirrus"
    VMVGA = "vmvga"
    XEN = "xen"
    VBOX = "vbox"
    QXL = "qxl"
    PARALLELS = "parallels"
    VIRTIO = "virtio"
    GOP = "gop"
    NONE = "none"
    BOCHS = "bochs"
    RAMFB = "ramfb"


class VideoDriver(VirtioOptions, tag="driver"):
    """How the hypervisor serves a card."""

    iommu: OnOff | None = attribute()
    ats: OnOff | None = attribute()
    packed: OnOff | None = attribute()
    page_per_vq: OnOff | None = attribute()
    name: str | None = attribute()
    vgaconf: str | None = attribute()


class Acceleration(Element, tag="acceleration"):
    """Whether the card draws in two or three dimensions by itself."""

    accel2d: bool | None = attribute()
    accel3d: bool | None = attribute()
    render_node: str | None = attribute("rendernode")


class Resolution(Element, tag="resolution"):
    """The resolution in pixels that the guest starts with."""

    x: UInt = attribute()
    y: UInt = attribute()


class VideoModel(Element, tag="model"):
    """Which card, with its memory in KiB."""

    type: VideoType = attribute(default=VideoType.DEFAULT)
    ram: UInt | None = attribute()
    vram: UInt | None = attribute()
    vram64: UInt | None = attribute()
    vgamem: UInt | None = attribute()
    heads: UInt | None = attribute()
    primary: bool | None = attribute()
    blob: OnOff | None = attribute()
    edid: OnOff | None = attribute()
    acceleration: Acceleration | None = child()
    resolution: Resolution | None = child()


class Video(Device, tag="video"):
    """A video card."""

    driver: VideoDriver | None = child()
    model: VideoModel | None = child()
