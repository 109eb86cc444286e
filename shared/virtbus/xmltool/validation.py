"""What is wrong with a document: not well formed, outside libvirt's vocabulary, contradictory, or not by a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lxml import etree

from virtbus.domain import Domain, complete, places, problems_of
from virtbus.domain.status import Status
from virtbus.errors import TooLarge, VirtbusError, XmlError
from virtbus.xml import LIMIT, Element
from virtbus.xmltool import document
from virtbus.xmltool.source import Source

NOT_WRITTEN = "in what libvirt adds to the document"
"""Said of a device that the document does not have."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    file: str
    line: int | None
    path: str | None
    """The element's, such as /domain/devices/disk[2]/target/@dev."""
    message: str
    hint: str | None = None
    """What the reader can do."""
    code: str | None = None
    """libvirt's name of the error; None for what a schema says."""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def load_schema(path: str) -> etree.RelaxNG:
    """The RelaxNG schema in a file.

    :raise XmlError: it is none.
    :raise OSError: it cannot be read.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.RelaxNG(etree.parse(path, parser))
    except (etree.RelaxNGError, etree.XMLSyntaxError) as error:
        raise XmlError(f"{path} is no RelaxNG schema: {error}", hint="libvirt's are named *.rng") from None


def read(source: Source) -> Element:
    """The model of a file, which is XML or its JSON form.

    :raise XmlError: it is neither, or has something outside libvirt's vocabulary.
    :raise TooLarge: the bus would not carry it.
    """
    if not source.is_json:
        return document.read(source.content)
    if len(source.content) > LIMIT:
        raise TooLarge(f"the document has more than {LIMIT} bytes", evidence={"limit": LIMIT})
    try:
        value = json.loads(source.content)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise XmlError(f"the document is no JSON: {error}", evidence={"path": "/", "line": line}) from None
    return document.read_json(value)


def findings(source: Source, schema: etree.RelaxNG | None = None) -> list[Finding]:
    """Everything that is wrong with a document; the model stops at the first word that it does not know."""
    found = list(_by_schema(source, schema)) if schema is not None else []
    try:
        model = read(source)
    except VirtbusError as error:
        return [*found, of_error(source, error)]
    if isinstance(model, Domain | Status):
        found += _contradictions(source, model)
    return found


def of_error(source: Source, error: VirtbusError, path: str | None = None) -> Finding:
    """A refusal as a finding in its file.

    :param path: where in the file it is, unless the error knows.
    """
    path = path or error.evidence.get("path")
    line = error.evidence.get("line") or (source.line(path) if path else None)
    return Finding(source.name, line, path, error.message, error.hint, f"VIR_ERR_{error.code.name}")


def _contradictions(source: Source, model: Domain | Status) -> Iterator[Finding]:
    """What the checks say of the completed domain, at the places where its devices stood before."""
    domain = (model if isinstance(model, Domain) else model.domain).copy()
    prefix = "" if isinstance(model, Domain) else f"/{Status.element_tag}"
    before = {id(device): path for path, device in places(domain)}
    try:
        complete(domain)
    except VirtbusError as error:
        yield of_error(source, error)
        return
    after = {path: before.get(id(device)) for path, device in places(domain)}
    for problem in problems_of(domain):
        path = str(problem.evidence.get("path", "/domain"))
        place = re.match(r"/domain/devices/[^/]+", path)
        if place is None or place[0] not in after:
            yield of_error(source, problem, prefix + path)
        elif (written := after[place[0]]) is not None:
            yield of_error(source, problem, prefix + written + path[place.end() :])
        else:
            told = f"{problem.hint}; {NOT_WRITTEN}" if problem.hint else NOT_WRITTEN
            code = f"VIR_ERR_{problem.code.name}"
            yield Finding(source.name, None, prefix + path, problem.message, told, code)


def _by_schema(source: Source, schema: etree.RelaxNG) -> Iterator[Finding]:
    if source.root is None or schema.validate(source.root):
        return
    for entry in schema.error_log:
        yield Finding(source.name, entry.line, entry.path, f"not by the schema: {entry.message}")
