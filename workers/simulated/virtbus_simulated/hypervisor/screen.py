"""A simulated domain's screen, as PNG (W3C Portable Network Graphics)."""

from __future__ import annotations

import struct
import zlib
from uuid import UUID

WIDTH, HEIGHT = 80, 50

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BIT_RGB = (8, 2, 0, 0, 0)


def screen(uuid: UUID, seconds: float) -> bytes:
    """A frame in the domain's colour, with a bar that moves once around in a minute."""
    colour = bytes(96 + part % 160 for part in uuid.bytes[:3])
    bar = int(seconds % 60 / 60 * WIDTH)
    edge = colour * WIDTH
    line = colour + b"".join(colour if column == bar else b"\0\0\0" for column in range(1, WIDTH - 1)) + colour
    rows = [edge, *[line] * (HEIGHT - 2), edge]
    pixels = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, *_EIGHT_BIT_RGB)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(pixels)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
