"""Requests of the vSphere Web Services API as XML.

The API is strict about the order of elements, which is that of its schema: a type's base comes first. `FIELDS` has the
order for every type that this worker sends; a test compares it with pyvmomi's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from virtbus_esx.wiretypes import FIELDS


@dataclass(frozen=True)
class Ref:
    """A managed object: its type and its id, which are valid with one server only."""

    kind: str
    id: str

    def __str__(self) -> str:
        return self.id


class Spec:
    """A structure of the API: its type and what of it is said."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: str, **values: Any) -> None:
        """:raises KeyError: the type has no such field."""
        order = FIELDS[kind]
        for name in values:
            if name not in order:
                raise KeyError(f"{kind} has no field {name}")
        self.kind = kind
        self.values: dict[str, Any] = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and (self.kind, self.values) == (other.kind, other.values)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"Spec({self.kind}, {self.values})"


class Raw:
    """A structure as the server gave it, to be sent back."""

    __slots__ = ("inside", "kind")

    def __init__(self, node: etree._Element) -> None:
        told = node.get("{http://www.w3.org/2001/XMLSchema-instance}type") or ""
        self.kind = told.rpartition(":")[2]
        self.inside = "".join(etree.tostring(each, encoding="unicode", with_tail=False) for each in node)


_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Body>"
)
_TAIL = "</soapenv:Body></soapenv:Envelope>"


def request(method: str, this: Ref, arguments: Mapping[str, Any]) -> bytes:
    """A call of a method; arguments that are None are left out.

    :param arguments: in the schema's order.
    """
    out = [_HEAD, f'<{method} xmlns="urn:vim25">']
    _write(out, "_this", this)
    for name, value in arguments.items():
        _write(out, name, value)
    out += [f"</{method}>", _TAIL]
    return "".join(out).encode()


def _write(out: list[str], name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, Ref):
        out.append(f"<{name} type={quoteattr(value.kind)}>{escape(value.id)}</{name}>")
    elif isinstance(value, Spec):
        out.append(f'<{name} xsi:type="{value.kind}">')
        for field in FIELDS[value.kind]:
            if field in value.values:
                _write_field(out, value.kind, field, value.values[field])
        out.append(f"</{name}>")
    elif isinstance(value, Raw):
        out.append(f'<{name} xsi:type="{value.kind}">{value.inside}</{name}>')
    elif isinstance(value, list | tuple):
        for each in value:
            _write(out, name, each)
    else:
        out.append(f"<{name}>{escape(_text(value))}</{name}>")


def _write_field(out: list[str], kind: str, field: str, value: Any) -> None:
    if (kind, field) in _ANY and isinstance(value, str):
        out.append(f'<{field} xsi:type="xsd:string">{escape(value)}</{field}>')
    else:
        _write(out, field, value)


_ANY = {("OptionValue", "value")}
"""Fields whose values must say their type, since they may be of any."""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
