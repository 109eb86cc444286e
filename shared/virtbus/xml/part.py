"""The parts of an element, made from its declarations: each reads, writes, loads, dumps and copies its values.

`read` and `write` are the XML side, `load` and `dump` the JSON side. A part of an element's own tag (attribute, text)
deals in strings; a part that is a child deals in nodes.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any

from lxml import etree

from virtbus.errors import XmlError
from virtbus.xml.codec import Codec, scale, scaled
from virtbus.xml.document import parse_document
from virtbus.xml.fields import MISSING, Declaration
from virtbus.xml.form import Form, Mode
from virtbus.xml.namespace import escape_text, escape_value, qualified
from virtbus.xml.refusal import refuse, refuse_value, refuse_words

if TYPE_CHECKING:
    from virtbus.xml.element import Element

Definitions = dict[str, Any]


class Part:
    """One field of one class: its name in Python, its name in XML, and when it is shown."""

    many = False
    compound = False
    """Whether its values must be copied when their owner is."""

    def __init__(self, name: str, declared: Declaration, default: Any) -> None:
        self.name = name
        self.xml = declared.xml or name
        self.default = default
        self.live = declared.live
        self.secret = declared.secret
        self.private = declared.private
        self.guarded = bool(declared.live) or declared.secret or declared.private
        self.unit = declared.unit
        self.assumed = declared.assumed or ""
        self.exact = declared.exact

    def hidden(self, value: Any, mode: Mode) -> bool:
        """Whether this value is left out in this mode."""
        if (self.secret and not mode.secure) or (self.private and mode.form is not Form.STATUS):
            return True
        if mode.live or not self.live:
            return False
        return self.live is True or self.live(value)

    def load(self, value: Any, path: str) -> Any:
        """From JSON."""
        raise NotImplementedError

    def dump(self, value: Any, mode: Mode) -> Any:
        """To JSON."""
        raise NotImplementedError

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        """JSON Schema of the value."""
        raise NotImplementedError

    def copy(self, value: Any) -> Any:
        """A deep copy of the value."""
        return value


class Scalar(Part):
    """A part whose value has a codec."""

    def __init__(self, name: str, declared: Declaration, default: Any, codec: Codec) -> None:
        super().__init__(name, declared, default)
        self.codec = codec
        self.parse = codec.parse
        self.to_text = codec.format

    def load(self, value: Any, path: str) -> Any:
        try:
            return self.codec.load(value)
        except ValueError as error:
            raise XmlError(f"{value!r:.80} is no value of {path}: {error}", evidence={"path": path}) from None

    def dump(self, value: Any, mode: Mode) -> Any:
        return self.codec.dump(value)

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        if self.unit is None:
            return self.codec.schema
        return {**self.codec.schema, "minimum": 0, "description": f"in {self.unit}"}

    def measured(self, raw: str, node: etree._Element) -> int:
        """The size that `raw` and the node's unit mean, in this part's unit."""
        given, unit = node.get("unit", self.assumed), self.unit or ""
        size = scaled(raw, given, unit)
        if self.exact is not None and size * scale(unit) != scaled(raw, given, ""):
            raise refuse_words(node, self.exact, raw)
        return size


class AttributePart(Scalar):
    """An attribute of the element itself."""


class TextPart(Scalar):
    """The text of the element itself."""


class ChildPart(Part):
    """What every child has in common: a tag, in the form lxml uses and in the form that is written."""

    def __init__(self, name: str, declared: Declaration, default: Any) -> None:
        super().__init__(name, declared, default)
        self.tag = qualified(self.xml)
        self.prefix = self.xml.partition(":")[0] if ":" in self.xml else None

    def read(self, node: etree._Element) -> Any:
        """The value that a child node has; MISSING where an empty child means nothing."""
        raise NotImplementedError

    def write(self, value: Any, pad: str, out: list[str], mode: Mode) -> None:
        """Append the child's lines."""
        raise NotImplementedError


class ScalarChild(ChildPart, Scalar):
    """A child with only text, or only one attribute, and perhaps a unit."""

    def __init__(self, name: str, declared: Declaration, default: Any, codec: Codec) -> None:
        Scalar.__init__(self, name, declared, default, codec)
        self.tag = qualified(self.xml)
        self.prefix = self.xml.partition(":")[0] if ":" in self.xml else None
        self.attribute = declared.attribute
        self.allowed: set[str] = {"unit"} if self.unit else set()
        if self.attribute is not None:
            self.allowed.add(self.attribute)

    def read(self, node: etree._Element) -> Any:
        _refuse_others(node, self.xml, self.allowed)
        _refuse_children(node, self.xml)
        raw = _whole_text(node) if self.attribute is None else node.get(self.attribute)
        if raw is None:
            raise refuse(node, f"Missing required attribute '{self.attribute}' in element '{self.xml}'")
        if self.attribute is not None and _whole_text(node).strip():
            raise refuse(node, f"unexpected text in element '{self.xml}'")
        try:
            return self.parse(raw) if self.unit is None else self.measured(raw, node)
        except ValueError as error:
            raise refuse_value(node, raw, self.codec, error, attribute=self.attribute) from None

    def write(self, value: Any, pad: str, out: list[str], mode: Mode) -> None:
        if self.prefix:
            mode.prefixes.add(self.prefix)
        unit = f" unit='{self.unit}'" if self.unit else ""
        if self.attribute is not None:
            out.append(f"{pad}<{self.xml} {self.attribute}='{escape_value(self.to_text(value))}'{unit}/>")
            return
        content = escape_text(self.to_text(value))
        out.append(f"{pad}<{self.xml}{unit}>{content}</{self.xml}>" if content else f"{pad}<{self.xml}{unit}/>")


def _refuse_others(node: etree._Element, xml: str, allowed: Set[str]) -> None:
    for name in map(str, node.attrib):
        if name not in allowed:
            raise refuse(node, f"unknown attribute '{name}' in element '{xml}'", attribute=name)


def _refuse_children(node: etree._Element, xml: str) -> None:
    for kid in node:
        if isinstance(kid.tag, str):
            raise refuse(kid, f"unknown element '{kid.tag}' in '{xml}'")


def _whole_text(node: etree._Element) -> str:
    """The text of a node with comments in it left out."""
    if len(node) == 0:
        return node.text or ""
    return (node.text or "") + "".join(kid.tail or "" for kid in node)


class FlagPart(ChildPart):
    """An empty child that is there or not."""

    def read(self, node: etree._Element) -> bool:
        _refuse_others(node, self.xml, frozenset())
        _refuse_children(node, self.xml)
        if _whole_text(node).strip():
            raise refuse(node, f"unexpected text in element '{self.xml}'")
        return True

    def write(self, value: bool, pad: str, out: list[str], mode: Mode) -> None:
        if value:
            out.append(f"{pad}<{self.xml}/>")

    def load(self, value: Any, path: str) -> bool:
        if not isinstance(value, bool):
            raise XmlError(f"{value!r:.80} is no value of {path}: true or false is expected", evidence={"path": path})
        return value

    def dump(self, value: bool, mode: Mode) -> bool:
        return value

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return {"type": "boolean"}


class ElementPart(ChildPart):
    """A child of an element class."""

    compound = True

    def __init__(self, name: str, declared: Declaration, default: Any, kind: type[Element]) -> None:
        super().__init__(name, declared, None if declared.always else default)
        self.kind = kind
        self.always = declared.always

    def read(self, node: etree._Element) -> Any:
        value = self.kind.read(node)
        if not node.attrib and not (node.text or "").strip() and value.is_blank():
            return MISSING
        return value

    def write(self, value: Element, pad: str, out: list[str], mode: Mode) -> None:
        if self.prefix:
            mode.prefixes.add(self.prefix)
        value.write(self.xml, pad, out, mode)

    def load(self, value: Any, path: str) -> Any:
        return self.kind.load(value, path)

    def dump(self, value: Element, mode: Mode) -> Any:
        return value.dump(mode)

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return self.kind.define_schema(definitions)

    def copy(self, value: Element | None) -> Element | None:
        return None if value is None else value.copy()


class ListPart(ChildPart):
    """Any number of children; each is read and written by the part for one of them."""

    many = True
    compound = True

    def __init__(self, name: str, declared: Declaration, item: ElementPart | ScalarChild) -> None:
        super().__init__(name, declared, None)
        self.item = item

    def read(self, node: etree._Element) -> Any:
        if isinstance(self.item, ElementPart):
            return self.item.kind.read(node)
        return self.item.read(node)

    def write(self, value: list[Any], pad: str, out: list[str], mode: Mode) -> None:
        if not isinstance(self.item, ElementPart):
            for each in value:
                self.item.write(each, pad, out, mode)
            return
        if self.prefix and value:
            mode.prefixes.add(self.prefix)
        for each in value:
            each.write(self.xml, pad, out, mode, empty=True)

    def load(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise XmlError(f"{value!r:.80} is no value of {path}: a list is expected", evidence={"path": path})
        return [self.item.load(each, f"{path}[{index}]") for index, each in enumerate(value, start=1)]

    def dump(self, value: list[Any], mode: Mode) -> list[Any]:
        return [self.item.dump(each, mode) for each in value]

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(definitions)}

    def copy(self, value: list[Any]) -> list[Any]:
        return [self.item.copy(each) for each in value]


class VerbatimPart(ChildPart):
    """A child whose elements belong to others; each is kept as XML text of its own."""

    compound = True

    def read(self, node: etree._Element) -> list[str]:
        _refuse_others(node, self.xml, frozenset())
        if _whole_text(node).strip():
            raise refuse(node, f"unexpected text in element '{self.xml}'")
        return [_detached(kid) for kid in node if isinstance(kid.tag, str)]

    def write(self, value: list[str], pad: str, out: list[str], mode: Mode) -> None:
        if not value:
            return
        out.append(f"{pad}<{self.xml}>")
        for each in value:
            node = parse_document(each)
            level = len(pad) // 2 + 1
            if _is_structure(node):
                etree.indent(node, level=level)
            out.append("  " * level + etree.tostring(node, encoding="unicode", with_tail=False))
        out.append(f"{pad}</{self.xml}>")

    def load(self, value: Any, path: str) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise XmlError(f"{path} must be a list of XML elements, as strings", evidence={"path": path})
        return [_detached(parse_document(each)) for each in value]

    def dump(self, value: list[str], mode: Mode) -> list[str]:
        return list(value)

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string", "contentMediaType": "application/xml"}}

    def copy(self, value: list[str]) -> list[str]:
        return list(value)


def _detached(node: etree._Element) -> str:
    """The node as a document of its own, without its surroundings' unused namespaces and its layout's blanks."""
    parent = node.getparent()
    inherited = parent.nsmap if parent is not None else {}
    twin = etree.fromstring(etree.tostring(node, with_tail=False))
    kept = [prefix for prefix in twin.nsmap if prefix and prefix not in inherited]
    etree.cleanup_namespaces(twin, keep_ns_prefixes=kept)
    if _is_structure(twin):
        for each in twin.iter():
            if len(each) and not (each.text or "").strip():
                each.text = None
            if not (each.tail or "").strip():
                each.tail = None
    return etree.tostring(twin, encoding="unicode")


def _is_structure(node: etree._Element) -> bool:
    """Whether no element mixes text with elements, so that blanks between elements mean nothing."""
    for each in node.iter():
        if len(each) and ((each.text or "").strip() or any((kid.tail or "").strip() for kid in each)):
            return False
    return True
