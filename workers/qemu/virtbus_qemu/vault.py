"""The secrets of disks and connections: where their values are kept, and how a QEMU is told them.

A value never stands on a command line as it is. It is encrypted with the domain's master key, 32 random bytes in a
file that only this QEMU reads (AES-256-CBC, as QEMU's secret objects expect it; QEMU manual, "Providing secret data").
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from os import urandom
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from virtbus.domain.storage import SecretReference
from virtbus.errors import ConfigUnsupported, HypervisorError

_VECTOR_BYTES = 16
_BLOCK_BITS = 128

MASTER_KEY_ID = "masterKey0"
"""The secret object with the master key."""


class Vault(Protocol):
    """Who knows the values of secrets."""

    def value(self, reference: SecretReference) -> bytes:
        """The value.

        :raise ConfigUnsupported: there is no such secret.
        :raise HypervisorError: it cannot be read.
        """
        ...


@dataclass(frozen=True)
class SecretFolder:
    """Secrets as files that only the worker's user reads: named by UUID, or by type and usage (percent-encoded)."""

    path: Path

    def value(self, reference: SecretReference) -> bytes:
        """See Vault."""
        if reference.uuid is not None:
            name, what = str(reference.uuid), f"uuid '{reference.uuid}'"
        else:
            usage = reference.usage or ""
            name, what = f"{reference.type}:{quote(usage, safe='')}", f"usage '{usage}'"
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise ConfigUnsupported(
                f"Secret not found: no secret with matching {what}", hint=f"write its value into {self.path / name}"
            ) from error
        except OSError as error:
            raise HypervisorError(
                f"cannot read secret {self.path / name}: {error.strerror}", hint="let the worker's user read it"
            ) from error


SYSTEM_SECRETS = SecretFolder(Path("/etc/virtbus/secrets"))


class NoValues:
    """A vault for trials: every secret is there, and empty."""

    def value(self, reference: SecretReference) -> bytes:
        """See Vault."""
        return b""


NO_VALUES = NoValues()


@dataclass(frozen=True)
class Sealed:
    """A value as QEMU gets it."""

    data: str
    vector: str


def seal(value: bytes, key: bytes) -> Sealed:
    """Encrypt a value with a domain's master key."""
    vector = urandom(_VECTOR_BYTES)
    padder = PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(value) + padder.finalize()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(vector)).encryptor()
    data = encryptor.update(padded) + encryptor.finalize()
    return Sealed(b64encode(data).decode(), b64encode(vector).decode())
