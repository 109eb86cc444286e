"""Whether every domain that we write is a document by libvirt's own schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from virtbus.domain import Domain, check, complete
from virtbus.domain.domain import DomainType
from virtbus.errors import VirtbusError
from virtbus.xml import Form

SCHEMA = "schemas/domain.rng"
"""Where the schema lies in the corpus."""


def strays(corpus: Path) -> Iterator[tuple[Path, str]]:
    """Each domain of the corpus that is as the schema says, and is not where we write it, with the reason."""
    schema = etree.RelaxNG(etree.parse(corpus / SCHEMA))
    for path in sorted(corpus.rglob("*.xml")):
        if b"<domain" in (text := path.read_bytes()) and _validates(schema, text):
            for written in _written(text):
                if not schema.validate(etree.fromstring(written.encode())):
                    yield path, str(schema.error_log.last_error)
                    break


def _validates(schema: etree.RelaxNG, text: bytes) -> bool:
    try:
        return bool(schema.validate(etree.fromstring(text)))
    except etree.XMLSyntaxError:
        return False


def _written(text: bytes) -> Iterator[str]:
    """The forms of a domain; none where it is refused, or is no domain of its own."""
    try:
        domain = Domain.parse(text)
        complete(domain)
        check(domain)
    except VirtbusError:
        return
    if domain.type in DomainType:
        yield from (domain.format(form, secure=True) for form in (Form.INACTIVE, Form.LIVE))
