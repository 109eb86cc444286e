"""Pictures as PNG (RFC 2083), from what Hyper-V makes of a screen: RGB565, two bytes a pixel, low byte first."""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = 2


def png(pixels: bytes, width: int, height: int) -> bytes:
    """A picture of that size; what is missing of its pixels is black."""
    values = struct.unpack(f"<{width * height}H", pixels.ljust(2 * width * height, b"\0")[: 2 * width * height])
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for value in values[y * width : (y + 1) * width]:
            red, green, blue = value >> 11, value >> 5 & 0x3F, value & 0x1F
            rows += bytes((red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2))
    header = struct.pack(">IIBBBBB", width, height, 8, _TRUE_COLOUR, 0, 0, 0)
    return (
        _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(rows))) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
