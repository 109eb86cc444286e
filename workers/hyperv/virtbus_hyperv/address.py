"""Where a host is and how it is spoken to: `hyperv://[user@]host[:port]/?transport=http|https` and the options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from virtbus.driver import HostSettings
from virtbus.errors import InvalidArgument
from virtbus_hyperv.wsman.channel import Endpoint
from virtbus_hyperv.wsman.login import Login, Scheme, Trust

PORTS = {"http": 5985, "https": 5986}
"""libvirt's too, whose default is https."""
USER = "administrator"
"""Whom libvirt's driver takes where the URI names nobody."""
POLL_SECONDS = 5.0


@dataclass(frozen=True)
class HostAddress:
    """A host, and how to reach it."""

    endpoint: Endpoint
    poll: float
    """Seconds between looks."""
    envelope: int


def address_of(settings: HostSettings) -> HostAddress:
    """What a host's URI and options say.

    :raises InvalidArgument: they contradict themselves, or would give the password away.
    """
    try:
        parts = urlsplit(settings.uri)
        host, port, query = parts.hostname, parts.port, parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        # The URI itself is not repeated: it may have a password.
        raise _invalid(settings, "the URI makes no sense", "hyperv://user@host/?transport=https") from None
    if parts.scheme != "hyperv" or not host:
        raise _invalid(settings, "the URI is no Hyper-V host's", "hyperv://user@host/?transport=https")
    if parts.password is not None:
        raise _invalid(settings, "a password does not belong into the URI", "--option secret=FILE")
    transport = _one_of(settings, "transport", query.get("transport", ["https"])[-1], PORTS)
    unknown = sorted(query.keys() - {"transport", "no_verify"})
    if unknown or query.get("no_verify", ["0"])[-1] != "0":
        raise _invalid(settings, f"the URI's {', '.join(unknown) or 'no_verify'} is not supported",
                       "TLS is always verified: --option ca=FILE or thumbprint=SHA256")  # fmt: skip
    scheme = Scheme(_one_of(settings, "auth", _option(settings, "auth") or Scheme.NEGOTIATE, list(Scheme)))
    if transport == "http" and not scheme.seals:
        raise _invalid(settings, f"{scheme} over http would send secrets in the clear", "use transport=https")
    user = unquote(parts.username or "") or ("" if scheme in (Scheme.KERBEROS, Scheme.CERTIFICATE) else USER)
    name = f"[{host}]" if ":" in host else host
    trust = Trust(
        authority=_path(settings, "ca"), thumbprint=_thumbprint(settings), certificate=_path(settings, "certificate"),
        key=_path(settings, "key"),
    )  # fmt: skip
    if scheme is Scheme.CERTIFICATE and trust.certificate is None:
        raise _invalid(settings, "auth=certificate needs a certificate", "--option certificate=FILE, and key=FILE")
    endpoint = Endpoint(
        url=f"{transport}://{name}:{port or PORTS[transport]}/wsman",
        login=Login(host=host, scheme=scheme, user=user, secret=_path(settings, "secret")),
        trust=trust, tls=trust.context() if transport == "https" else False,
    )  # fmt: skip
    return HostAddress(endpoint, _number(settings, "poll", POLL_SECONDS), int(_number(settings, "envelope", 153600)))


def _option(settings: HostSettings, name: str) -> str | None:
    """An option; `NAME.OPTION` is that of the host NAME alone, where a worker serves several."""
    options: Mapping[str, str] = settings.options
    return options.get(f"{settings.name}.{name}", options.get(name))


def _path(settings: HostSettings, name: str) -> Path | None:
    text = _option(settings, name)
    return None if text is None else Path(text)


def _thumbprint(settings: HostSettings) -> str | None:
    text = _option(settings, "thumbprint")
    if text is None:
        return None
    digits = text.replace(":", "").lower()
    if len(digits) != 64 or any(digit not in "0123456789abcdef" for digit in digits):
        raise _invalid(settings, "the thumbprint is no SHA-256", "64 hexadecimal digits")
    return digits


def _one_of(settings: HostSettings, name: str, value: str, known: Mapping[str, int] | list[Scheme]) -> str:
    if value not in known:
        raise _invalid(settings, f"{name} cannot be '{value}'", f"one of {', '.join(known)}")
    return value


def _number(settings: HostSettings, name: str, default: float) -> float:
    text = _option(settings, name)
    try:
        number = default if text is None else float(text)
    except ValueError:
        number = 0.0
    if number <= 0:
        raise _invalid(settings, f"the option {name} is no number above 0", f"such as {name}={default:g}")
    return number


def _invalid(settings: HostSettings, message: str, hint: str) -> InvalidArgument:
    return InvalidArgument(message, host=settings.name, hint=hint)
