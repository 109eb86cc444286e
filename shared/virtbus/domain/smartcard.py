"""Smartcard readers."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.chardev import CharLog, CharProtocol, CharSource, CharType
from virtbus.domain.device import Device
from virtbus.xml import attribute, child, children


class SmartcardMode(StrEnum):
    """Whose smartcards the guest sees."""

    HOST = "host"
    HOST_CERTIFICATES = "host-certificates"
    PASSTHROUGH = "passthrough"


class Smartcard(Device, tag="smartcard"):
    """A smartcard reader."""

    mode: SmartcardMode = attribute()
    type: CharType | None = attribute()
    certificates: list[str] = children("certificate")
    database: str | None = child()
    sources: list[CharSource] = children("source")
    protocol: CharProtocol | None = child(attribute="type")
    log: CharLog | None = child()
