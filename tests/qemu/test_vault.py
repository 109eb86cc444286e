"""Secrets: where their values are found, and how QEMU gets them."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import pytest

from virtbus.domain.storage import SecretKind, SecretReference
from virtbus.errors import ConfigUnsupported, HypervisorError
from virtbus_qemu.vault import SecretFolder, seal

SOME = UUID("0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f")


def test_a_value_is_sealed_as_the_standard_says() -> None:
    # NIST SP 800-38A, F.2.5: CBC-AES256, the first block; the padding makes a second one.
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    value = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    with patch("virtbus_qemu.vault.urandom", lambda size: bytes(range(size))):
        sealed = seal(value, key)
    assert sealed.vector == "AAECAwQFBgcICQoLDA0ODw=="
    assert b64decode(sealed.data)[:16].hex() == "f58c4c04d6e5f1ba779eabfb5f7bfbd6"
    assert len(b64decode(sealed.data)) == 32


def test_no_two_seals_are_alike() -> None:
    key = bytes(32)
    assert seal(b"open", key) != seal(b"open", key)


def test_a_secret_is_found_by_its_uuid_or_its_usage(tmp_path: Path) -> None:
    (tmp_path / str(SOME)).write_bytes(b"by uuid")
    (tmp_path / "passphrase:%2Fimages%2Fa").write_bytes(b"by usage")
    vault = SecretFolder(tmp_path)
    assert vault.value(SecretReference(type=SecretKind.PASSPHRASE, uuid=SOME)) == b"by uuid"
    assert vault.value(SecretReference(type=SecretKind.PASSPHRASE, usage="/images/a")) == b"by usage"


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match=f"no secret with matching uuid '{SOME}'"):
        SecretFolder(tmp_path).value(SecretReference(uuid=SOME))


def test_a_secret_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / str(SOME)).mkdir()
    with pytest.raises(HypervisorError, match="directory"):
        SecretFolder(tmp_path).value(SecretReference(uuid=SOME))
