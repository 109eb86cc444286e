"""Who we are to a host, and how that is shown: without ever writing the password anywhere but into the proof."""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import spnego
from spnego.channel_bindings import GssChannelBindings

from virtbus.errors import InvalidArgument, Unauthenticated


class Scheme(StrEnum):
    """How a user is authenticated."""

    NEGOTIATE = "negotiate"
    KERBEROS = "kerberos"
    NTLM = "ntlm"
    BASIC = "basic"
    CERTIFICATE = "certificate"

    @property
    def seals(self) -> bool:
        """Whether it makes a key by which messages can be encrypted."""
        return self in (Scheme.NEGOTIATE, Scheme.KERBEROS, Scheme.NTLM)


_MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
_SPNEGO = "application/HTTP-SPNEGO-session-encrypted"
_KERBEROS = "application/HTTP-Kerberos-session-encrypted"


@dataclass(frozen=True)
class Login:
    """A user of a host, and where the proof lies."""

    host: str
    scheme: Scheme
    user: str = ""
    secret: Path | None = field(default=None, repr=False)
    """The file with the password; read anew for each connection, so that it can be changed."""

    @property
    def header(self) -> str:
        """The word of the Authorization header."""
        return "Kerberos" if self.scheme is Scheme.KERBEROS else "Negotiate"

    @property
    def protocol(self) -> str:
        """The media type of sealed messages."""
        return _KERBEROS if self.scheme is Scheme.KERBEROS else _SPNEGO

    def context(self, *, sealing: bool, certificate: bytes | None) -> spnego.ContextProxy:
        """A security context for one connection.

        :param certificate: the server's (DER), to which the proof is bound over TLS.
        :raises Unauthenticated: there is no way to make one here.
        """
        binding = None if certificate is None else GssChannelBindings(application_data=_endpoint(certificate))
        try:
            return spnego.client(
                self.user or None, self._password(), hostname=self.host, service="http", protocol=self.scheme.value,
                channel_bindings=binding,
                options=spnego.NegotiateOptions.wrapping_winrm if sealing else spnego.NegotiateOptions.none,
            )  # fmt: skip
        except (spnego.exceptions.SpnegoError, ImportError, ValueError, TypeError) as error:
            raise Unauthenticated(
                f"{self.scheme} cannot be used here: {type(error).__name__}",
                hint="Kerberos needs the packages gssapi and krb5 and a ticket or a password",
            ) from None

    def static_header(self) -> str:
        """The whole Authorization header of the schemes that need no exchange."""
        if self.scheme is Scheme.CERTIFICATE:
            return _MUTUAL
        return "Basic " + base64.b64encode(f"{self.user}:{self._password() or ''}".encode()).decode()

    def _password(self) -> str | None:
        if self.secret is None:
            return None
        try:
            return self.secret.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgument(
                f"the file of the password cannot be read: {type(error).__name__}", host=self.host,
                hint="--option secret=FILE names it; the worker must be able to read it",
            ) from None  # fmt: skip


def _endpoint(certificate: bytes) -> bytes:
    """The channel binding of RFC 5929: tls-server-end-point."""
    return b"tls-server-end-point:" + hashlib.sha256(certificate).digest()


@dataclass(frozen=True)
class Trust:
    """Which server we talk to over TLS."""

    authority: Path | None = None
    """A file of certificates that are trusted instead of the system's."""
    thumbprint: str | None = None
    """The SHA-256 of the server's own certificate, in hexadecimal: then nothing else is asked of it."""
    certificate: Path | None = None
    """Our own, for Scheme.CERTIFICATE."""
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The settings of TLS.

        :raises InvalidArgument: a file of certificates is none.
        """
        try:
            context = ssl.create_default_context(cafile=self.authority)
            if self.thumbprint is not None:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise InvalidArgument(f"the certificates cannot be used: {error}") from None
        return context

    def check(self, certificate: bytes | None) -> None:
        """:raises Unauthenticated: the server's certificate is not the one that is pinned."""
        if self.thumbprint is None:
            return
        wanted = self.thumbprint.replace(":", "").lower()
        if certificate is None or hashlib.sha256(certificate).hexdigest() != wanted:
            raise Unauthenticated(
                "the server's certificate is not the one that is pinned",
                hint="--option thumbprint=SHA256 must name its SHA-256",
            )
