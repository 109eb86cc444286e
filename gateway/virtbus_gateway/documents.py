"""Documents that come in: XML, or JSON of the same model, checked before a job is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from virtbus.errors import InvalidArgument, TooLarge, XmlDetail, XmlError
from virtbus.operations import Operation
from virtbus.operations.device import AttachDevice, DetachDescribed, UpdateDevice
from virtbus.operations.domain import CreateDomain, DefineDomain
from virtbus.operations.fields import MAX_DOCUMENT

DOMAIN_OPERATIONS: tuple[type[Operation[Any]], ...] = (DefineDomain, CreateDomain)
"""Their document describes a domain."""
DEVICE_OPERATIONS: tuple[type[Operation[Any]], ...] = (AttachDevice, DetachDescribed, UpdateDevice)
"""Their document describes a device."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that has been read: its text, and the UUID that it says for a domain."""

    xml: str
    uuid: UUID | None = None


def read_document(
    operation: type[Operation[Any]], *, xml: str | bytes | None = None, model: dict[str, Any] | None = None,
    made_from: UUID | None = None, domain: UUID | None = None,
) -> Document:
    """Check a document, given as XML or as its JSON form.

    :param made_from: the job's id: a domain without a UUID gets one that is made from it, so a repeat makes the same.
    :param domain: the UUID that was said beside the document.
    :raises XmlError: it is not well formed, hostile, or outside libvirt's vocabulary; `evidence` says where.
    :raises XmlDetail: it contradicts what was said beside it.
    :raises TooLarge: the bus does not carry it.
    """
    if (xml is None) == (model is None):
        raise InvalidArgument(
            "one document is needed", hint="send application/xml, or JSON with one of `xml` and `document`"
        )
    if xml is not None:
        _check_size(xml)
    if operation in DOMAIN_OPERATIONS:
        return _read_domain(xml, model, made_from, domain)
    return Document(_read_device(xml, model))


def _read_domain(
    xml: str | bytes | None, model: dict[str, Any] | None, made_from: UUID | None, said: UUID | None
) -> Document:
    # Loaded at first use: a gateway that is only read from need not hold the vocabulary in memory.
    from virtbus.domain import Domain

    domain = Domain.from_json(model) if xml is None else Domain.parse(xml)
    if said is not None and domain.uuid is not None and said != domain.uuid:
        raise XmlDetail(
            f"the document is of domain {domain.uuid}, the request of {said}", evidence={"path": "/domain/uuid"}
        )
    text = _text(xml)
    if domain.uuid is None:
        domain.uuid = said or uuid5(made_from or UUID(int=0), "domain")
        text = None
    return Document(_sized(domain.format(secure=True)) if text is None else text, domain.uuid)


def _read_device(xml: str | bytes | None, model: dict[str, Any] | None) -> str:
    from virtbus.domain.devices import BY_TAG, parse_device

    if xml is not None:
        device = parse_device(xml)
        text = _text(xml)
        return _sized(device.format(secure=True)) if text is None else text
    fields = dict(model or {})
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in BY_TAG:
        raise XmlError("the document does not say which device it is", hint=f"`kind` is one of {', '.join(BY_TAG)}",
                       evidence={"path": "/kind"})  # fmt: skip
    return _sized(BY_TAG[kind].from_json(fields).format(secure=True))


def _text(xml: str | bytes | None) -> str | None:
    """The document as it travels; None where it is JSON or in another encoding, and must be written anew."""
    if not isinstance(xml, bytes):
        return xml
    try:
        text = xml.decode()
    except UnicodeDecodeError:
        return None
    # A str has no encoding of its own any more; a declaration of another one would contradict it.
    return None if text.lstrip("\ufeff \t\r\n").startswith("<?xml") else text


def _check_size(xml: str | bytes) -> None:
    size = len(xml if isinstance(xml, bytes) else xml.encode(errors="surrogatepass"))
    if size > MAX_DOCUMENT:
        raise too_large(size)
    if not xml.strip():
        raise XmlError("the document is empty", evidence={"path": "/", "line": 1})


def _sized(xml: str) -> str:
    if len(xml.encode()) > MAX_DOCUMENT:
        raise too_large(len(xml.encode()))
    return xml


def too_large(size: int, limit: int = MAX_DOCUMENT) -> TooLarge:
    """The refusal of something larger than the bus carries; sizes are in bytes."""
    return TooLarge(f"the document has {size} bytes, {limit} are allowed", evidence={"limit": limit, "size": size})
