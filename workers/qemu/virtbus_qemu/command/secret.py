"""Secret objects: what a device's backends are opened with, encrypted for this QEMU alone."""

from __future__ import annotations

from virtbus.domain.storage import SecretReference
from virtbus_qemu.command.parts import Backend, BackendKind, Context
from virtbus_qemu.folder import MASTER_KEY, MASTER_KEY_BYTES
from virtbus_qemu.ledger import read_through
from virtbus_qemu.vault import MASTER_KEY_ID, seal


def of_reference(name: str, reference: SecretReference, context: Context) -> Backend:
    """The object with a secret that the host keeps.

    :param name: the object's id.
    :raise ConfigUnsupported: the host keeps no such secret.
    """
    read_through(reference)
    return of_value(name, context.settings.vault.value(reference), context)


def of_value(name: str, value: bytes, context: Context) -> Backend:
    """The object with a value that is known."""
    sealed = seal(value, master_key(context))
    properties = {
        "qom-type": "secret",
        "id": name,
        "data": sealed.data,
        "keyid": MASTER_KEY_ID,
        "iv": sealed.vector,
        "format": "base64",
    }
    return Backend(BackendKind.OBJECT, properties)


def master_key(context: Context) -> bytes:
    """The key of this life of the domain; zeros for a trial, in whose folder there is none."""
    path = context.folder / MASTER_KEY
    return path.read_bytes() if path.exists() else bytes(MASTER_KEY_BYTES)
