"""One authenticated connection to a host. Windows authenticates connections, not requests, and the keys by which
messages are encrypted belong to the connection too; so a channel carries one request at a time, in order."""

from __future__ import annotations

import base64
import logging
import ssl
from dataclasses import dataclass
from typing import Any

import httpx
import spnego

from virtbus.errors import HypervisorSilent, Unauthenticated, Unavailable, VirtbusError
from virtbus_hyperv.wsman.login import Login, Scheme, Trust
from virtbus_hyperv.wsman.sealing import content_type, seal, unseal

_PLAIN = "application/soap+xml;charset=UTF-8"
_MOST_STEPS = 8

# It tells every request at INFO, and a worker makes thousands.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Endpoint:
    """A host's WS-Management service."""

    url: str
    login: Login
    trust: Trust
    tls: ssl.SSLContext | bool
    """Shared by all channels: to load the system's certificates takes memory and time. False without TLS."""

    @property
    def secure(self) -> bool:
        """Whether TLS protects the messages."""
        return self.url.startswith("https:")


class Channel:
    """One connection."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = self._new_client()
        self._context: spnego.ContextProxy | None = None
        self._certificate: bytes | None = None

    def _new_client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
        transport = httpx.AsyncHTTPTransport(verify=self._endpoint.tls, limits=limits, trust_env=False)
        return httpx.AsyncClient(transport=transport, trust_env=False, headers={"Connection": "Keep-Alive"})

    async def close(self) -> None:
        """End the connection."""
        await self._client.aclose()

    async def exchange(self, message: bytes, timeout: float) -> bytes:
        """Send a message; returns the answer, be it a result or a fault.

        :raises Unauthenticated: the host does not know us.
        :raises Unavailable: it cannot be reached.
        :raises HypervisorSilent: it did not answer in time; what was asked may have happened.
        """
        response = await self._post(message, timeout)
        if response.status_code == 401 and self._context is not None:
            # The host has forgotten the connection, and so has done nothing.
            await self._renew()
            response = await self._post(message, timeout)
        if response.status_code == 401:
            raise self._refused()
        if response.status_code not in (200, 400, 500):
            raise Unavailable(
                f"the host answers HTTP {response.status_code} instead of WS-Management",
                hint="is WinRM enabled? winrm quickconfig", evidence={"status": response.status_code},
            )  # fmt: skip
        if self._context is not None and response.headers.get("Content-Type", "").startswith("multipart/encrypted"):
            return unseal(self._context, response.content)
        if self._seals and response.content:
            raise Unauthenticated("the host answered without encryption where it was asked for")
        return response.content

    @property
    def _seals(self) -> bool:
        return self._endpoint.login.scheme.seals and not self._endpoint.secure

    async def _post(self, message: bytes, timeout: float) -> httpx.Response:
        login = self._endpoint.login
        if not login.scheme.seals:
            return await self._send(message, {"Authorization": login.static_header(), "Content-Type": _PLAIN}, timeout)
        if self._context is None:
            self._context = await self._authenticate(timeout)
        if not self._seals:
            return await self._send(message, {"Content-Type": _PLAIN}, timeout)
        body = seal(self._context, login.protocol, message)
        return await self._send(body, {"Content-Type": content_type(login.protocol)}, timeout)

    async def _authenticate(self, timeout: float) -> spnego.ContextProxy:
        """Prove who we are, by empty requests."""
        login = self._endpoint.login
        if self._endpoint.secure:
            # The proof is bound to the server's certificate, which the first request shows.
            await self._send(b"", {"Content-Type": _PLAIN}, timeout)
        context = login.context(sealing=self._seals, certificate=self._certificate)
        answer: bytes | None = None
        for _ in range(_MOST_STEPS):
            try:
                token = context.step(answer)
            except spnego.exceptions.SpnegoError:
                raise self._refused() from None
            if token is None:
                break
            proof = f"{login.header} {base64.b64encode(token).decode()}"
            response = await self._send(b"", {"Authorization": proof, "Content-Type": _PLAIN}, timeout)
            answer = _token(response)
            if response.status_code == 401 and (answer is None or context.complete):
                raise self._refused()
            if answer is None:
                break
        if not context.complete:
            raise self._refused()
        return context

    async def _send(self, body: bytes, headers: dict[str, str], timeout: float) -> httpx.Response:
        endpoint = self._endpoint
        try:
            return await self._client.post(
                endpoint.url, content=body, headers=headers, timeout=max(timeout, 0.001),
                extensions={"trace": self._trace} if endpoint.secure else {},
            )  # fmt: skip
        except httpx.TimeoutException as error:
            await self._renew()
            if isinstance(error, httpx.ConnectTimeout):
                raise Unavailable(f"the host {endpoint.login.host} cannot be reached in time") from None
            raise HypervisorSilent(f"the host did not answer within {timeout:.1f} seconds") from None
        except httpx.HTTPError as error:
            await self._renew()
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the connection to {endpoint.login.host} failed: {reason}") from None
        except BaseException:
            # The answer would be taken for the next one's.
            await self._renew()
            raise

    async def _trace(self, event: str, details: dict[str, Any]) -> None:
        """Look at the server's certificate before anything is sent."""
        if event == "connection.start_tls.complete":
            tls = details["return_value"].get_extra_info("ssl_object")
            self._certificate = tls.getpeercert(binary_form=True)
            self._endpoint.trust.check(self._certificate)

    async def _renew(self) -> None:
        """Forget the connection; the next request makes a new one."""
        self._context = None
        old, self._client = self._client, self._new_client()
        await old.aclose()

    def _refused(self) -> VirtbusError:
        login = self._endpoint.login
        return Unauthenticated(
            f"the host refused the user {login.user or '(none)'} by {login.scheme}", host=None,
            hint="check the user, the file of the password, and winrm/config/service/auth of the host"
            + ("; AllowUnencrypted is not needed" if login.scheme is not Scheme.BASIC else ""),
        )  # fmt: skip


def _token(response: httpx.Response) -> bytes | None:
    """What the host answers in the exchange of proofs."""
    for header in response.headers.get_list("WWW-Authenticate", split_commas=True):
        word, _, text = header.strip().partition(" ")
        if word.lower() in ("negotiate", "kerberos", "ntlm") and text.strip():
            return base64.b64decode(text.strip())
    return None
