"""WinRM's HTTP: NTLM or Negotiate with encrypted messages, Basic and client certificates over TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import spnego

_SEALED = re.compile(rb'multipart/encrypted;.*protocol="([^"]+)"', re.IGNORECASE)
MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"


class Service(Protocol):
    """What is served."""

    users: dict[str, str]
    basic: bool

    async def answer(self, data: bytes) -> tuple[int, bytes]: ...
    async def control(self, asked: dict[str, Any]) -> dict[str, Any]: ...


class Connection:
    """One client's connection: it is authenticated once, then its messages are encrypted."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.service = service
        self.reader = reader
        self.writer = writer
        self.context: Any = None
        self.secure = writer.get_extra_info("ssl_object") is not None

    async def serve(self) -> None:
        """Answer until the client leaves."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await self.reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
                body = await self.reader.readexactly(int(headers.get("content-length", "0")))
                await self._take(first.split()[1], headers, body)
        self.writer.close()

    async def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        if path == "/control":
            said = await self.service.control(json.loads(body))
            await self._reply(200, json.dumps(said).encode(), "application/json")
        elif not path.startswith("/wsman"):
            await self._reply(404, b"", "text/plain")
        elif await self._authenticated(headers):
            await self._message(headers, body)

    async def _authenticated(self, headers: dict[str, str]) -> bool:
        word, _, token = headers.get("authorization", "").partition(" ")
        if self.secure and word == MUTUAL:
            return bool(self.writer.get_extra_info("peercert")) or await self._refuse()
        if self.secure and self.service.basic and word.lower() == "basic":
            user, _, password = base64.b64decode(token).decode().partition(":")
            return self.service.users.get(user.lower()) == password or await self._refuse()
        if word.lower() in ("negotiate", "ntlm") and token:
            return await self._exchange(word, base64.b64decode(token))
        if self.context is not None and self.context.complete:
            return True
        return await self._refuse()

    async def _exchange(self, word: str, token: bytes) -> bool:
        if self.context is None or self.context.complete:
            protocol = "ntlm" if token.startswith(b"NTLMSSP\0") else "negotiate"
            self.context = spnego.server(protocol=protocol, options=spnego.NegotiateOptions.wrapping_winrm)
        try:
            answer = self.context.step(token)
        except spnego.exceptions.SpnegoError:
            self.context = None
            return await self._refuse()
        if self.context.complete:
            self.said = f"{word} {base64.b64encode(answer).decode()}" if answer else ""
            return True
        await self._reply(401, b"", "", authenticate=f"{word} {base64.b64encode(answer or b'').decode()}")
        return False

    async def _refuse(self) -> bool:
        offers = "Negotiate" + (', Basic realm="WSMAN"' if self.secure and self.service.basic else "")
        await self._reply(401, b"", "", authenticate=offers)
        return False

    async def _message(self, headers: dict[str, str], body: bytes) -> None:
        said, self.said = getattr(self, "said", ""), ""
        if not body:
            await self._reply(200, b"", "application/soap+xml;charset=UTF-8", authenticate=said)
            return
        sealed = _SEALED.match(headers.get("content-type", "").encode())
        if sealed is None and not self.secure:
            # AllowUnencrypted is false, as it is by default.
            await self._reply(500, b"", "text/plain")
            return
        message = body if sealed is None else self._unseal(body)
        status, answer = await self.service.answer(message)
        if sealed is None:
            await self._reply(status, answer, "application/soap+xml;charset=UTF-8", authenticate=said)
            return
        kind = f'multipart/encrypted;protocol="{sealed[1].decode()}";boundary="Encrypted Boundary"'
        await self._reply(status, self._seal(answer, sealed[1]), kind, authenticate=said)

    def _unseal(self, body: bytes) -> bytes:
        parts = re.split(rb"--Encrypted Boundary(?:--)?\r\n", body)
        assert parts[1].startswith(b"\tContent-Type: "), "the inner headers begin with a tab"
        length = int(re.search(rb"Length=(\d+)", parts[1])[1])  # type: ignore[index]
        payload = body.split(b"\tContent-Type: application/octet-stream\r\n", 1)[1]
        payload = payload.removesuffix(b"--Encrypted Boundary--\r\n")
        size = struct.unpack("<i", payload[:4])[0]
        message: bytes = self.context.unwrap_winrm(payload[4 : 4 + size], payload[4 + size :])
        assert len(message) == length
        return message

    def _seal(self, message: bytes, protocol: bytes) -> bytes:
        sealed = self.context.wrap_winrm(message)
        length = len(message) + sealed.padding_length
        return b"".join((
            b"--Encrypted Boundary\r\n\tContent-Type: ", protocol, b"\r\n",
            b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n" % length,
            b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n",
            struct.pack("<i", len(sealed.header)), sealed.header, sealed.data, b"--Encrypted Boundary--\r\n",
        ))  # fmt: skip

    async def _reply(self, status: int, body: bytes, kind: str, authenticate: str = "") -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Whatever')}", f"Content-Length: {len(body)}",
                 "Server: Microsoft-HTTPAPI/2.0"]  # fmt: skip
        if kind:
            lines.append(f"Content-Type: {kind}")
        if authenticate:
            lines.append(f"WWW-Authenticate: {authenticate}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()


_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}


def handler(service: Service) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """What asyncio.start_server calls for each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(service, reader, writer).serve()

    return serve
