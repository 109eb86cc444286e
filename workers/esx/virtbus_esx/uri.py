"""Where a host is reached: libvirt's URIs of ESX hosts and of hosts behind a vCenter.

    esx://user@host[:port]/                          an ESX host by itself
    vpx://user@vcenter[:port]/datacenter/cluster/host    a host behind a vCenter; folders and the cluster as they are
    vpx://user@vcenter/folder/datacenter/host

`?transport=http` does without TLS, `?no_verify=1` does not verify the server's certificate. The password is never part
of it: the option `secret` names the file that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from virtbus.errors import InvalidArgument

SCHEMES = ("esx", "vpx")
_KNOWN = {"transport", "no_verify"}


@dataclass(frozen=True)
class Login:
    """A server, and as whom it is asked; what several hosts of one vCenter share."""

    scheme: str
    """https or http."""
    server: str
    port: int
    user: str
    secret: Path
    """The file with the password."""
    verify: bool = True
    thumbprint: str | None = None
    """SHA-256 of the server's certificate, 64 hexadecimal digits; then no authority is asked."""
    authority: Path | None = None
    """The certificates that are trusted besides, or instead, of the system's."""

    @property
    def url(self) -> str:
        """Where requests go."""
        host = f"[{self.server}]" if ":" in self.server else self.server
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Login({self.user}@{self.server}:{self.port})"


@dataclass(frozen=True)
class Address:
    """A host: its server, and for a vCenter its place in the inventory."""

    login: Login
    path: tuple[str, ...]
    """Folders, datacenter, cluster and host; empty for an ESX host by itself."""


def parse_uri(uri: str, options: Mapping[str, str]) -> Address:
    """What a URI and a host's options say.

    :raises InvalidArgument: it is none of ours, or lacks something.
    """
    parts = urlsplit(uri)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise InvalidArgument(f"{uri} is no URI of a VMware host", hint="such as esx://root@host/")
    if parts.password is not None:
        raise InvalidArgument(
            f"the URI of {parts.hostname} has a password in it",
            hint="put it into a file that only the worker may read, and name that with the option secret",
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if strange := set(query) - _KNOWN:
        raise InvalidArgument(f"unknown parameter {min(strange)} in {uri}", hint=f"known are {', '.join(_KNOWN)}")
    path = tuple(unquote(step) for step in parts.path.split("/") if step)
    if parts.scheme == "vpx" and len(path) < 2:
        raise InvalidArgument(
            f"{uri} does not say which host is meant", hint="such as vpx://user@vcenter/datacenter/cluster/host"
        )
    if parts.scheme == "esx" and path:
        raise InvalidArgument(f"{uri} says a path, but an ESX host is alone", hint="vpx:// is for those of a vCenter")
    scheme = query.get("transport", "https")
    if scheme not in ("https", "http"):
        raise InvalidArgument(f"transport {scheme} is none", hint="https or http")
    login = Login(
        scheme=scheme,
        server=parts.hostname,
        port=parts.port or (443 if scheme == "https" else 80),
        user=unquote(parts.username or "root"),
        secret=_secret(uri, options),
        verify=query.get("no_verify", "0") != "1",
        thumbprint=_thumbprint(options.get("thumbprint")),
        authority=Path(options["ca"]) if "ca" in options else None,
    )
    return Address(login, path)


def _secret(uri: str, options: Mapping[str, str]) -> Path:
    if "secret" not in options:
        raise InvalidArgument(
            f"nothing says where the password for {uri} is", hint="--option secret=FILE, a file with nothing else in it"
        )
    return Path(options["secret"])


def _thumbprint(text: str | None) -> str | None:
    if text is None:
        return None
    plain = text.replace(":", "").lower()
    if re.fullmatch("[0-9a-f]{64}", plain) is None:
        raise InvalidArgument(
            f"{text} is no thumbprint", hint="SHA-256 of the certificate, as openssl x509 -fingerprint -sha256 prints"
        )
    return plain


def read_secret(login: Login) -> str:
    """The password.

    :raises InvalidArgument: the file cannot be read.
    """
    try:
        return login.secret.read_text().rstrip("\r\n")
    except OSError as error:
        raise InvalidArgument(f"the password's file {login.secret} cannot be read: {error.strerror}") from error
