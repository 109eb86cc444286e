"""WMI instances: read from the XML of WS-Management and of CIM, written as embedded instances (DSP0201)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lxml import etree

from virtbus_hyperv.wsman.names import ADDRESSING, CIM, SCHEMA_INSTANCE, VIRTUALIZATION, WMI, tag
from virtbus_hyperv.wsman.reference import Reference, read_reference

Scalar = str | int | bool
Given = Scalar | list[str] | list[int]

_NIL = tag(SCHEMA_INSTANCE, "nil")
_TYPE = tag(SCHEMA_INSTANCE, "type")
_DATETIME = re.compile(r"^(\d{14})\.(\d{6})([+-])(\d{3})$")
_INTERVAL = re.compile(r"^(\d{8})(\d{2})(\d{2})(\d{2})\.(\d{6}):000$")

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)


@dataclass
class Instance:
    """An instance of a WMI class. Every property is a list, since WS-Management does not tell arrays from others."""

    kind: str
    values: dict[str, list[str | Reference | Instance]] = field(default_factory=dict)
    namespace: str = VIRTUALIZATION

    def text(self, name: str, default: str = "") -> str:
        """A string; the default where it is null."""
        found = self.values.get(name)
        return str(found[0]) if found and isinstance(found[0], str) else default

    def texts(self, name: str) -> list[str]:
        """An array of strings."""
        return [value for value in self.values.get(name, ()) if isinstance(value, str)]

    def number(self, name: str, default: int = 0) -> int:
        """An integer; the default where it is null."""
        text = self.text(name)
        return int(text) if text else default

    def numbers(self, name: str) -> list[int]:
        """An array of integers."""
        return [int(text) for text in self.texts(name)]

    def truth(self, name: str) -> bool:
        """A boolean; false where it is null."""
        return self.text(name).lower() == "true"

    def reference(self, name: str) -> Reference | None:
        """A reference; None where it is null."""
        found = self.values.get(name)
        return found[0] if found and isinstance(found[0], Reference) else None

    def references(self, name: str) -> list[Reference]:
        """An array of references."""
        return [value for value in self.values.get(name, ()) if isinstance(value, Reference)]

    def instances(self, name: str) -> list[Instance]:
        """An array of embedded instances, in whichever of its two forms the provider wrote them."""
        found = []
        for value in self.values.get(name, ()):
            if isinstance(value, Instance):
                found.append(value)
            elif isinstance(value, str) and value.lstrip().startswith("<"):
                found.append(read_embedded(value))
        return found

    def moment(self, name: str) -> datetime | None:
        """A point in time; None where it is null or makes no sense."""
        return parse_datetime(self.text(name))


def read_instance(node: etree._Element) -> Instance:
    """The instance that an element of a SOAP body is."""
    name = etree.QName(node)
    declared = node.get(_TYPE, "").rpartition(":")[2].removesuffix("_Type")
    namespace = (name.namespace or "").removeprefix(f"{WMI}/").rpartition("/")[0]
    instance = Instance(declared or name.localname, namespace=namespace)
    for child in node:
        if isinstance(child.tag, str):
            value = _value(child)
            values = instance.values.setdefault(etree.QName(child).localname, [])
            if value is not None:
                values.append(value)
    return instance


def _value(node: etree._Element) -> str | Reference | Instance | None:
    if node.get(_NIL) == "true":
        return None
    if len(node) == 0:
        return node.text or ""
    first = etree.QName(node[0])
    if first.namespace == CIM:
        return node[0].text or ""
    return read_reference(node) if first.namespace == ADDRESSING else read_instance(node)


def read_embedded(text: str) -> Instance:
    """The instance that a document of CIM's own XML describes."""
    root = etree.fromstring(text.strip().encode(), _PARSER)
    node = root if root.tag == "INSTANCE" else next(root.iter("INSTANCE"))
    instance = Instance(node.get("CLASSNAME", ""))
    for child in node:
        if child.tag in ("PROPERTY", "PROPERTY.ARRAY"):
            instance.values[child.get("NAME", "")] = [value.text or "" for value in child.iter("VALUE")]
    return instance


_INTEGERS = {
    "uint16": (
        "ResourceType", "AutomaticStartupAction", "AutomaticShutdownAction", "AutomaticRecoveryAction", "BootOrder",
        "EnabledState", "SnapshotType", "ConsistencyLevel",
    ),
    "uint32": ("Weight", "TargetMemoryBuffer"),
    "uint64": ("VirtualQuantity", "Reservation", "Limit", "IOPSLimit", "IOPSReservation"),
}  # fmt: skip
_INTEGER = {name: kind for kind, names in _INTEGERS.items() for name in names}


@dataclass(frozen=True)
class Embedded:
    """An instance that is handed to a method as a text (MS-WSMV 3.1.4.1.31, DSP0201)."""

    kind: str
    properties: Mapping[str, Given]

    def document(self) -> str:
        """It as CIM's XML."""
        root = etree.Element("INSTANCE", CLASSNAME=self.kind)
        for name, given in self.properties.items():
            if isinstance(given, list):
                node = etree.SubElement(root, "PROPERTY.ARRAY", NAME=name, TYPE=_type(name, given[0] if given else ""))
                node = etree.SubElement(node, "VALUE.ARRAY")
                _write_values(node, given)
            else:
                node = etree.SubElement(root, "PROPERTY", NAME=name, TYPE=_type(name, given))
                _write_values(node, [given])
        return etree.tostring(root, encoding="unicode")


def _type(name: str, value: Scalar) -> str:
    if isinstance(value, bool):
        return "boolean"
    return _INTEGER[name] if isinstance(value, int) else "string"


def _write_values(node: etree._Element, values: Iterable[Scalar]) -> None:
    for value in values:
        etree.SubElement(node, "VALUE").text = plain(value)


def plain(value: Scalar) -> str:
    """A scalar as WMI's XML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_datetime(text: str) -> datetime | None:
    """A point in time in CIM's form (yyyymmddHHMMSS.mmmmmm+UUU, the offset in minutes) or XML Schema's."""
    match = _DATETIME.match(text)
    if match is not None:
        local = datetime.strptime(f"{match[1]}.{match[2]}", "%Y%m%d%H%M%S.%f").replace(tzinfo=UTC)
        offset = timedelta(minutes=int(match[4]))
        return local - offset if match[3] == "+" else local + offset
    if not text or _INTERVAL.match(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
