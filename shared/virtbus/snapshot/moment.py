"""What snapshots and checkpoints have in common: a name, a time, a parent, and the domain as it was."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from lxml import etree

from virtbus.domain import Domain
from virtbus.errors import XmlError
from virtbus.xml import Element, Form, ULong, child


class Parent(Element, tag="parent"):
    """The moment before this one."""

    name: str = child()


class RecordedDomain(Element, tag="domain"):
    """The domain as it was; one of old snapshots is only its UUID, any other a whole `Domain`."""

    uuid: UUID = child()

    @classmethod
    def read(cls, node: etree._Element) -> Any:
        return super().read(node) if node.get("type") is None else Domain.read(node)

    @classmethod
    def load(cls, value: Any, path: str) -> Any:
        whole = isinstance(value, dict) and "type" in value
        return Domain.load(value, path) if whole else super().load(value, path)

    @classmethod
    def define_schema(cls, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"oneOf": [super().define_schema(definitions), Domain.define_schema(definitions)]}


class Moment(Element):
    """A point in a domain's life; times are seconds since 1970."""

    name: str | None = child()
    description: str | None = child()
    parent: Parent | None = child()
    creation_time: ULong | None = child("creationTime")

    def format(self, form: Form = Form.INACTIVE, secure: bool = False) -> str:
        """The document in libvirt's layout; the domains in it are definitions.

        :param secure: whether passwords are written.
        """
        return super().format(form, secure)

    @classmethod
    def parse(cls, xml: str | bytes) -> Self:
        """The moment that a document describes.

        :raise XmlError: it is not well formed, not libvirt's vocabulary, or its name cannot name a file.
        :raise TooLarge: it is larger than the bus carries.
        """
        moment = super().parse(xml)
        name = moment.name
        if name is not None and ("/" in name or "\n" in name or name.startswith(".")):
            raise XmlError(
                f"name '{name:.80}' cannot contain '/' or a line break, nor begin with '.'",
                evidence={"path": f"/{cls.element_tag}/name"},
            )
        return moment


def complete(moment: Moment, now: int) -> None:
    """Fill in the time in seconds since 1970, and the name, which is the time where none was given."""
    if moment.creation_time is None:
        moment.creation_time = now
    if not moment.name:
        moment.name = str(moment.creation_time)
