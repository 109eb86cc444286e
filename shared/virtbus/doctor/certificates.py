"""The files of TLS: that they belong together, and how long they last."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from virtbus.doctor.finding import Finding, Place, Verdict, on_disk

SOON = 14
"""Days before its end in which a certificate is worth a word."""


@on_disk
def tls(place: Place) -> Sequence[Finding]:
    """The certificates that the service shows and trusts."""
    pairs = {
        "the gateway's certificate": (place.tls_cert, place.tls_key),
        "the certificate for the bus": (place.bus.tls_cert, place.bus.tls_key),
    }
    findings = [
        finding for what, (cert, key) in pairs.items() if cert is not None for finding in _pair(what, cert, key)
    ]
    if place.bus.tls_ca is not None:
        findings.append(_authorities(place.bus.tls_ca))
    return findings


def _pair(what: str, cert: Path, key: Path | None) -> Iterator[Finding]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except OSError as error:
        # ssl.SSLError is one of them.
        mend = "the certificate's chain in PEM, and the key that it was made for"
        yield Finding("tls", Verdict.BAD, f"{what}, {cert}, does not load: {error}", mend)
        return
    yield _lasting(what, cert)


def _lasting(what: str, cert: Path) -> Finding:
    if not find_spec("cryptography"):
        said = f"{what}, {cert}, loads; how long it lasts is not known"
        return Finding("tls", Verdict.WEAK, said, "pip install cryptography, or: openssl x509 -enddate -noout -in FILE")
    from cryptography import x509

    end = x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc
    days = (end - datetime.now(UTC)).days
    said = f"{what}, {cert}, is valid until {end:%Y-%m-%d}"
    if days < 0:
        return Finding("tls", Verdict.BAD, said.replace("is valid", "was valid"), "renew it")
    return Finding("tls", Verdict.WEAK if days < SOON else Verdict.GOOD, said, "renew it" if days < SOON else "")


def _authorities(path: Path) -> Finding:
    try:
        context = ssl.create_default_context(cafile=path)
    except OSError as error:
        return Finding("tls", Verdict.BAD, f"the bus's authorities, {path}: {error}", "certificates in PEM")
    return Finding("tls", Verdict.GOOD, f"the bus's authorities, {path}: {len(context.get_ca_certs())}")
