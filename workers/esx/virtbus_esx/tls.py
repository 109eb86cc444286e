"""Whom the worker talks to: verified by the system's authorities, by those of a file, or by one pinned certificate."""

from __future__ import annotations

import asyncio
import hashlib
import ssl

from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent
from virtbus_esx.uri import Login


async def context_for(login: Login, timeout: float) -> ssl.SSLContext | bool:
    """How connections are verified; made before anything is sent.

    :raises HypervisorError: the server shows another certificate than the one that is pinned.
    :raises HypervisorGone, HypervisorSilent: it cannot be reached.
    """
    if login.scheme == "http":
        return False
    if login.thumbprint is not None:
        return _only(await _shown(login, timeout), login)
    context = ssl.create_default_context(cafile=None if login.authority is None else str(login.authority))
    if not login.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _shown(login: Login, timeout: float) -> bytes:
    """The certificate that the server shows; nothing is sent to it."""
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(login.server, login.port, ssl=blind)
            found = writer.get_extra_info("ssl_object")
            shown: bytes = found.getpeercert(binary_form=True)
            writer.close()
    except TimeoutError as error:
        raise HypervisorSilent(f"{login.server} did not answer within {timeout:g} s") from error
    except (OSError, ssl.SSLError) as error:
        raise HypervisorGone(f"{login.server} cannot be reached: {error}", hint="see the host's URI") from error
    return shown


def _only(shown: bytes, login: Login) -> ssl.SSLContext:
    """Verifies that every connection shows this very certificate."""
    found = hashlib.sha256(shown).hexdigest()
    if found != login.thumbprint:
        raise HypervisorError(
            f"{login.server} shows a certificate with the thumbprint {found}, not the one that is pinned",
            hint="if the certificate was renewed, set the option thumbprint; else somebody is in between",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=shown)
    return context
