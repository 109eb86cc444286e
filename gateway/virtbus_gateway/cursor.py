"""Opaque cursors: where the next page of a list begins."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

import msgpack

from virtbus.errors import InvalidArgument


def pack_cursor(*place: str | float) -> str:
    """A cursor that `unpack_cursor` turns back into the same place."""
    packed: bytes = msgpack.packb(place)
    return urlsafe_b64encode(packed).decode().rstrip("=")


def unpack_cursor(cursor: str, *shape: type) -> tuple[str | float, ...]:
    """The place in a cursor that we gave out.

    :param shape: the types of its parts.
    :raises InvalidArgument: it is none of ours.
    """
    refusal = InvalidArgument("the cursor is not one that this list gave out", hint="begin without a cursor")
    try:
        place = msgpack.unpackb(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (Base64Error, ValueError, TypeError, msgpack.UnpackException):
        raise refusal from None
    if not isinstance(place, list) or tuple(map(type, place)) != shape:
        raise refusal
    return tuple(place)
