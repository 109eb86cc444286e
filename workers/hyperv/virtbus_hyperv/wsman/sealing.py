"""Messages that are encrypted by what authenticated the connection (MS-WSMV 2.2.9.1)."""

from __future__ import annotations

import struct
from typing import Protocol

from virtbus.errors import HypervisorError

BOUNDARY = "Encrypted Boundary"
_START = f"--{BOUNDARY}\r\n".encode()
_END = f"--{BOUNDARY}--\r\n".encode()
_OCTETS = b"\tContent-Type: application/octet-stream\r\n"


class Sealed(Protocol):
    """What wraps a message makes of it."""

    @property
    def header(self) -> bytes: ...
    @property
    def data(self) -> bytes: ...
    @property
    def padding_length(self) -> int: ...


class Sealer(Protocol):
    """A security context that is established."""

    def wrap_winrm(self, data: bytes) -> Sealed:
        """Encrypt a message."""

    def unwrap_winrm(self, header: bytes, data: bytes) -> bytes:
        """Decrypt one."""


def content_type(protocol: str) -> str:
    """The header of a sealed message."""
    return f'multipart/encrypted;protocol="{protocol}";boundary="{BOUNDARY}"'


def seal(sealer: Sealer, protocol: str, message: bytes) -> bytes:
    """A message as it is sent. The tabs before its inner headers are Windows' own."""
    sealed = sealer.wrap_winrm(message)
    length = len(message) + sealed.padding_length
    head = (
        f"\tContent-Type: {protocol}\r\n"
        f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
    )
    payload = struct.pack("<i", len(sealed.header)) + sealed.header + sealed.data
    return b"".join((_START, head.encode(), _START, _OCTETS, payload, _END))


def unseal(sealer: Sealer, body: bytes) -> bytes:
    """The message of a sealed answer.

    :raises HypervisorError: it is not whole.
    """
    head, parted, rest = body.removeprefix(_START).partition(_START)
    start = rest.find(b"\r\n") + 2
    payload = rest[start:].removesuffix(_END)
    if not parted or start < 2 or len(payload) < 4:
        raise HypervisorError("the host's encrypted answer is not whole")
    (length,) = struct.unpack("<i", payload[:4])
    message = sealer.unwrap_winrm(payload[4 : 4 + length], payload[4 + length :])
    expected = int(head.rpartition(b"Length=")[2].split()[0])
    if len(message) != expected:
        raise HypervisorError(f"the host's encrypted answer has {len(message)} bytes and says {expected}")
    return message
