"""Payloads: msgpack of pydantic models."""

from __future__ import annotations

from typing import Any, TypeVar

import msgpack
from pydantic import BaseModel, ValidationError

from virtbus.errors import InternalError, TooLarge

ModelT = TypeVar("ModelT", bound=BaseModel)

LIMIT = 8 * 1024 * 1024
"""Bytes of one payload."""


class DecodeError(InternalError):
    """A payload on the bus is not what it should be."""


class EncodeError(InternalError):
    """Something has no form in which it can travel: text that is none, a number too large."""


def encode(model: BaseModel) -> bytes:
    """A model as it travels.

    :raises TooLarge: it has more bytes than a message may have.
    :raises EncodeError: something in it cannot be encoded.
    """
    try:
        value = model.model_dump(mode="json")
    except (TypeError, ValueError) as error:
        raise EncodeError(f"a {type(model).__name__} cannot travel: {error}") from error
    return pack(value)


def pack(value: Any) -> bytes:
    """Plain values as they travel.

    :raises TooLarge: more bytes than a message may have.
    """
    try:
        payload: bytes = msgpack.packb(value, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"a value cannot travel: {error}") from error
    if len(payload) > LIMIT:
        raise TooLarge(f"a message of {len(payload)} bytes does not fit on the bus, which carries {LIMIT}")
    return payload


def unpack(payload: bytes) -> Any:
    """What `pack` packed.

    :raises DecodeError: it is not msgpack, or too deep or too large.
    """
    try:
        return msgpack.unpackb(payload, raw=False, strict_map_key=True)
    except (ValueError, TypeError, OverflowError, msgpack.exceptions.UnpackException) as error:
        raise DecodeError(f"a payload is not msgpack: {error!r}") from error


def decode(model: type[ModelT], payload: bytes) -> ModelT:
    """The model in a payload.

    :raises DecodeError: it is not msgpack, or not this model.
    """
    try:
        return model.model_validate(unpack(payload))
    except ValidationError as error:
        raise DecodeError(f"a payload is no {model.__name__}: {error.error_count()} faults: {error}") from error
