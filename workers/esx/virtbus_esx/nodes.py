"""Reading the API's answers, which are XML elements of one namespace: by paths such as `info/state`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache

from lxml import etree

from virtbus_esx.wire import Ref

VIM = "{urn:vim25}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

Node = etree._Element
Properties = dict[str, Node]
"""Properties of a managed object by their names, as the property collector gives them."""


@cache
def _clark(path: str) -> str:
    return "/".join(VIM + step for step in path.split("/"))


def find(node: Node, path: str) -> Node | None:
    """The first element at a path."""
    return node.find(_clark(path))


def every(node: Node, path: str) -> list[Node]:
    """Every element at a path."""
    return node.findall(_clark(path))


def text(node: Node, path: str) -> str | None:
    """The text at a path; None where there is no such element."""
    return node.findtext(_clark(path))


def number(node: Node, path: str) -> int | None:
    """The number at a path."""
    found = node.findtext(_clark(path))
    return None if found is None or not found else int(found)


def truth(node: Node, path: str) -> bool:
    """Whether there is `true` at a path."""
    return node.findtext(_clark(path)) in ("true", "1")


def ref(node: Node | None) -> Ref | None:
    """The managed object that an element refers to."""
    if node is None or not node.text:
        return None
    return Ref(node.get("type") or kind(node), node.text)


def kind(node: Node) -> str:
    """The type that an element says of itself, without its prefix."""
    return (node.get(_TYPE) or "").rpartition(":")[2]


def local(node: Node) -> str:
    """An element's name without its namespace."""
    return str(node.tag).rpartition("}")[2]


def moment(text: str | None) -> datetime | None:
    """A time of the API."""
    return None if not text else datetime.fromisoformat(text.replace("Z", "+00:00"))


def objects(node: Node, path: str = "objects") -> Iterator[tuple[Ref, Properties]]:
    """The managed objects of an answer of the property collector, with their properties."""
    for each in node.iterfind(_clark(path)):
        owner = ref(each.find(VIM + "obj"))
        if owner is None:
            continue
        values: Properties = {}
        for one in each.iterfind(VIM + "propSet"):
            value = one.find(VIM + "val")
            if value is not None:
                values[one.findtext(VIM + "name") or ""] = value
        yield owner, values


def content(values: Properties, name: str) -> str | None:
    """A property's text."""
    node = values.get(name)
    return None if node is None else node.text
