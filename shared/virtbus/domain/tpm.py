"""Trusted platform modules."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from virtbus.domain.chardev import CharMode
from virtbus.domain.device import Device
from virtbus.xml import Element, UInt, attribute, child, flag


class TpmModel(StrEnum):
    """Which module the guest sees."""

    TPM_TIS = "tpm-tis"
    TPM_CRB = "tpm-crb"
    TPM_SPAPR = "tpm-spapr"
    SPAPR_TPM_PROXY = "spapr-tpm-proxy"


class TpmBackendType(StrEnum):
    """What does the module's work."""

    PASSTHROUGH = "passthrough"
    EMULATOR = "emulator"
    EXTERNAL = "external"


class TpmVersion(StrEnum):
    """The TPM standard's version."""

    V1_2 = "1.2"
    V2_0 = "2.0"


class TpmSource(Element, tag="source"):
    """Where an emulator keeps its state, or the socket of an external one."""

    type: str = attribute()
    mode: CharMode | None = attribute()
    path: str = attribute()


class TpmBanks(Element, tag="active_pcr_banks"):
    """Which hash banks of a TPM 2.0 are active."""

    sha1: bool = flag()
    sha256: bool = flag()
    sha384: bool = flag()
    sha512: bool = flag()


class TpmProfile(Element, tag="profile"):
    """Which algorithms an emulated TPM 2.0 offers."""

    source: str | None = attribute()
    remove_disabled: str | None = attribute("removeDisabled")
    name: str | None = attribute()


class TpmBackend(Element, tag="backend"):
    """What does the module's work."""

    type: TpmBackendType = attribute()
    version: TpmVersion | None = attribute()
    persistent_state: bool | None = attribute()
    debug: UInt | None = attribute()
    encryption: UUID | None = child(attribute="secret")
    active_pcr_banks: TpmBanks | None = child()
    device: str | None = child(attribute="path")
    source: TpmSource | None = child()
    profile: TpmProfile | None = child()


class Tpm(Device, tag="tpm"):
    """A trusted platform module."""

    model: TpmModel | None = attribute()
    backend: TpmBackend = child()
