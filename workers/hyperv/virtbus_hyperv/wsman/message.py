"""The messages that are sent: an envelope for each operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from lxml import etree

from virtbus_hyperv.wsman import names
from virtbus_hyperv.wsman.instance import Embedded, Scalar, plain
from virtbus_hyperv.wsman.names import ADDRESSING, ENUMERATION, SOAP, WSMAN, tag
from virtbus_hyperv.wsman.reference import Reference, class_uri, write_selectors

Argument = Scalar | Reference | Embedded | list[str] | list[int] | list[Reference] | list[Embedded]

_PREFIXES = {"s": SOAP, "a": ADDRESSING, "w": WSMAN, "n": ENUMERATION}
_BATCH = 100
"""Items of one answer: to pull them one by one takes 70 times as long."""


@dataclass(frozen=True)
class Limits:
    """What an answer may be."""

    url: str
    envelope: int
    """Bytes."""
    seconds: float
    """How long the host may work on it before it answers with a fault."""


def enumerate_message(limits: Limits, query: str, namespace: str, *, references: bool) -> bytes:
    """Begin an enumeration by WQL; its answer has the first items already."""
    root, body = _envelope(limits, names.ENUMERATE, class_uri("*", namespace))
    request = etree.SubElement(body, tag(ENUMERATION, "Enumerate"))
    etree.SubElement(request, tag(WSMAN, "OptimizeEnumeration"))
    etree.SubElement(request, tag(WSMAN, "MaxElements")).text = str(_BATCH)
    etree.SubElement(request, tag(WSMAN, "Filter"), Dialect=names.WQL).text = query
    if references:
        etree.SubElement(request, tag(WSMAN, "EnumerationMode")).text = "EnumerateEPR"
    return _finish(root)


def pull_message(limits: Limits, context: str, namespace: str) -> bytes:
    """Ask for the next items of an enumeration."""
    root, body = _envelope(limits, names.PULL, class_uri("*", namespace))
    request = etree.SubElement(body, tag(ENUMERATION, "Pull"))
    etree.SubElement(request, tag(ENUMERATION, "EnumerationContext")).text = context
    etree.SubElement(request, tag(ENUMERATION, "MaxElements")).text = str(_BATCH)
    return _finish(root)


def release_message(limits: Limits, context: str, namespace: str) -> bytes:
    """Give an enumeration up before its end."""
    root, body = _envelope(limits, names.RELEASE, class_uri("*", namespace))
    request = etree.SubElement(body, tag(ENUMERATION, "Release"))
    etree.SubElement(request, tag(ENUMERATION, "EnumerationContext")).text = context
    return _finish(root)


def get_message(limits: Limits, reference: Reference) -> bytes:
    """Ask for one instance."""
    root, _ = _envelope(limits, names.GET, reference.uri, reference.keys)
    return _finish(root)


def invoke_message(limits: Limits, target: Reference, method: str, arguments: Mapping[str, Argument]) -> bytes:
    """Call a method of an instance."""
    root, body = _envelope(limits, f"{target.uri}/{method}", target.uri, target.keys)
    request = etree.SubElement(body, tag(target.uri, f"{method}_INPUT"), nsmap={"p": target.uri})
    for name, argument in arguments.items():
        for each in argument if isinstance(argument, list) else [argument]:
            node = etree.SubElement(request, tag(target.uri, name))
            if isinstance(each, Reference):
                each.write(node)
            elif isinstance(each, Embedded):
                node.text = etree.CDATA(each.document())
            else:
                node.text = plain(each)
    return _finish(root)


def _envelope(
    limits: Limits, action: str, uri: str, keys: tuple[tuple[str, str], ...] = ()
) -> tuple[etree._Element, etree._Element]:
    """An envelope with its header, and its empty body."""
    root = etree.Element(tag(SOAP, "Envelope"), nsmap=_PREFIXES)
    header = etree.SubElement(root, tag(SOAP, "Header"))
    etree.SubElement(header, tag(ADDRESSING, "To")).text = limits.url
    etree.SubElement(header, tag(WSMAN, "ResourceURI"), _must()).text = uri
    reply = etree.SubElement(header, tag(ADDRESSING, "ReplyTo"))
    etree.SubElement(reply, tag(ADDRESSING, "Address"), _must()).text = names.ANONYMOUS
    etree.SubElement(header, tag(ADDRESSING, "Action"), _must()).text = action
    etree.SubElement(header, tag(WSMAN, "MaxEnvelopeSize"), _must()).text = str(limits.envelope)
    etree.SubElement(header, tag(ADDRESSING, "MessageID")).text = f"uuid:{uuid4()}"
    etree.SubElement(header, tag(WSMAN, "OperationTimeout")).text = f"PT{limits.seconds:.3f}S"
    write_selectors(header, keys)
    return root, etree.SubElement(root, tag(SOAP, "Body"))


def _must() -> dict[str, str]:
    return {tag(SOAP, "mustUnderstand"): "true"}


def _finish(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=False)
