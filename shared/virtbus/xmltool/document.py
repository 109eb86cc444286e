"""Which of libvirt's documents a file holds, by its root element, and the model that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from virtbus.capabilities.document import Capabilities
from virtbus.capabilities.domain import DomainCapabilities
from virtbus.cpu.host import HostCpu
from virtbus.domain import Domain
from virtbus.domain.cpu import Cpu
from virtbus.domain.devices import BY_TAG
from virtbus.domain.status import Status
from virtbus.errors import XmlError
from virtbus.snapshot import Backup, Checkpoint, Snapshot
from virtbus.xml import Element, Form, parse_document
from virtbus.xml.refusal import nearest, refuse

DOCUMENTS: Mapping[str, type[Element]] = {
    kind.element_tag: kind
    for kind in (Domain, Status, Snapshot, Checkpoint, Backup, Cpu, Capabilities, DomainCapabilities)
    if kind.element_tag is not None
}
"""Whole documents by their root element."""

ROOTS: Mapping[str, type[Element]] = {**BY_TAG, **DOCUMENTS}
"""Every root element that is read: a document's, or a single device's."""


def kind_of(root: etree._Element) -> type[Element]:
    """The model for a root element.

    :raise XmlError: no document of libvirt that is known begins so.
    """
    if root.tag == Cpu.element_tag and root.find("arch") is not None:
        # Only a host's processor says its architecture.
        return HostCpu
    kind = ROOTS.get(root.tag)
    if kind is None:
        hint = nearest(str(root.tag), ROOTS) or f"one of {', '.join(DOCUMENTS)}, or a device is expected"
        raise refuse(root, f"<{root.tag}> is the root of no document that is known", hint=hint)
    return kind


def read(text: str | bytes) -> Element:
    """The model of a document, of whatever kind.

    :raise XmlError: it is not well formed, of no known kind, or has something outside libvirt's vocabulary.
    :raise TooLarge: it is larger than the bus carries.
    """
    return kind_of(parse_document(text)).parse(text)


KIND = "kind"
"""The key that says which document a JSON object is; one without it is a domain."""


def to_json(model: Element, form: Form, *, secure: bool) -> dict[str, Any]:
    """A model as JSON, in the form that the gateway takes: a domain's keys, anything else's with its kind."""
    said = {} if isinstance(model, Domain) else {KIND: _kind(model)}
    return said | model.to_json(form, secure)


def _kind(model: Element) -> str:
    return HOST_CPU if isinstance(model, HostCpu) else model.element_tag or ""


HOST_CPU = "hostcpu"
"""The kind of a host's processor, whose element is named as a guest's."""


def read_json(value: Any) -> Element:
    """The model of a document's JSON form.

    :raise XmlError: it is no such object, or has something outside libvirt's vocabulary.
    """
    fields = dict(value) if isinstance(value, dict) else {KIND: None}
    kind = fields.pop(KIND, Domain.element_tag)
    model = HostCpu if kind == HOST_CPU else ROOTS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise XmlError(
            "the JSON document does not say what it is",
            hint=f"`{KIND}` is one of {', '.join(ROOTS)}",
            evidence={"path": f"/{KIND}", "line": 1},
        )
    return model.from_json(fields)
