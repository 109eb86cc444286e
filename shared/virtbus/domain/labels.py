"""A domain's labels: they live in its <metadata> under Virtbus's own namespace, so they travel with it."""

from __future__ import annotations

from collections.abc import Mapping

from virtbus.errors import InvalidArgument
from virtbus.xml import Element, attribute, children, namespace, text
from virtbus.xml.codec import FORBIDDEN
from virtbus.xml.document import parse_document

NAMESPACE = "urn:virtbus:domain:1"
namespace("virtbus", NAMESPACE)


class Label(Element, tag="virtbus:label"):
    """A label."""

    name: str = attribute()
    value: str = text(default="")


class Labels(Element, tag="virtbus:labels"):
    """All labels of a domain."""

    labels: list[Label] = children()


def read_labels(metadata: list[str]) -> dict[str, str]:
    """The labels in a domain's metadata."""
    found: dict[str, str] = {}
    for entry in metadata:
        if _is_ours(entry):
            found |= {label.name: label.value for label in Labels.parse(entry).labels}
    return found


def write_labels(metadata: list[str], labels: Mapping[str, str]) -> list[str]:
    """The metadata with these labels in place of what it had; other people's entries stay.

    :raise InvalidArgument: a name is empty or has characters that XML does not allow.
    """
    for name, value in labels.items():
        if not name or FORBIDDEN.search(name) or FORBIDDEN.search(value):
            raise InvalidArgument(f"{name!r:.80} cannot be a label with the value {value!r:.80}")
    others = [entry for entry in metadata if not _is_ours(entry)]
    if not labels:
        return others
    entry = Labels(labels=[Label(name=name, value=value) for name, value in sorted(labels.items())])
    return [*others, entry.format().rstrip("\n")]


def _is_ours(entry: str) -> bool:
    return NAMESPACE in entry and parse_document(entry).tag == f"{{{NAMESPACE}}}labels"
