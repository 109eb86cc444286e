"""Certificates and the passwords of their keys, as objects that servers and connections name."""

from __future__ import annotations

from uuid import UUID

from virtbus.domain.storage import SecretReference
from virtbus_qemu.command import secret
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given
from virtbus_qemu.settings import TlsSettings


def tls(
    context: Context, name: str, settings: TlsSettings, *, server: bool = True, owner: str | None = None
) -> list[Backend]:
    """The objects of an encrypted connection: the password of the key, where it has one, and the certificates.

    :param owner: what the secret object is named after; None for the certificates.
    :raise ConfigUnsupported: the host keeps no such secret.
    """
    password: list[Backend] = []
    if settings.secret is not None:
        reference = SecretReference(uuid=UUID(settings.secret))
        password = [secret.of_reference(f"{owner or name}-secret0", reference, context)]
    properties = given(
        {
            "qom-type": "tls-creds-x509",
            "id": name,
            "dir": str(settings.folder),
            "endpoint": "server" if server else "client",
            "verify-peer": settings.verify,
            "passwordid": password[0].id if password else None,
        }
    )
    return [*password, Backend(BackendKind.OBJECT, properties)]
