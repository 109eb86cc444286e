"""The compiled tables of an element class: which part a name in the document belongs to, and what is required."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from lxml import etree

from virtbus.errors import XmlError
from virtbus.xml.codec import Codec, codec_of
from virtbus.xml.fields import MISSING, Declaration, Role
from virtbus.xml.form import notes_are_read
from virtbus.xml.part import (
    AttributePart,
    ChildPart,
    ElementPart,
    FlagPart,
    ListPart,
    Part,
    ScalarChild,
    TextPart,
    VerbatimPart,
)
from virtbus.xml.refusal import nearest, refuse, refuse_value

if TYPE_CHECKING:
    from virtbus.xml.element import Element


class Plan:
    """How one class is read and written."""

    def __init__(
        self, parts: list[Part], variants: dict[str, type[Element]], chosen_by: str | None, chosen_when: str | None
    ) -> None:
        self.parts = parts
        self.chosen_by = chosen_by
        self.chosen_when = chosen_when
        self.variants = variants
        self.by_name = {part.name: part for part in parts}
        self.attribute_parts = [part for part in parts if isinstance(part, AttributePart)]
        self.child_parts = [part for part in parts if isinstance(part, ChildPart)]
        self.compound_parts = [part for part in parts if part.compound]
        self.attributes = {part.xml: part for part in self.attribute_parts if not part.private}
        self.children = {part.tag: part for part in self.child_parts if not part.private}
        self.private_attributes = {part.xml: part for part in self.attribute_parts if part.private}
        self.private_children = {part.tag: part for part in self.child_parts if part.private}
        self.text_part = next((part for part in parts if isinstance(part, TextPart)), None)
        self.measured = any(part.unit for part in parts if isinstance(part, AttributePart | TextPart))
        self.required = [part.name for part in parts if part.default is MISSING]
        self.chosen_xml = self.by_name[chosen_by].xml if chosen_by else ""
        self._blank = {part.name: part.default for part in parts}
        self._always = [(part.name, part.kind) for part in parts if isinstance(part, ElementPart) and part.always]
        self._lists = [part.name for part in parts if part.many or isinstance(part, VerbatimPart)]

    def fresh(self) -> dict[str, Any]:
        """The values of an instance of which nothing is said yet."""
        values = self._blank.copy()
        for name in self._lists:
            values[name] = []
        for name, kind in self._always:
            values[name] = kind()
        return values

    def read_children(self, node: etree._Element, values: dict[str, Any], content: str) -> str:
        """Read the children into `values`; returns the text of the node, comments left out."""
        seen: set[str] = set()
        for kid in node:
            tail = kid.tail
            if tail is not None and not tail.isspace():
                content += tail
            part = self.children.get(kid.tag)
            if part is None and notes_are_read():
                part = self.private_children.get(kid.tag)
            if part is None:
                if not isinstance(kid.tag, str):
                    continue
                known = [each.xml for each in self.child_parts if not each.private]
                raise refuse(kid, f"unknown element '{kid.tag}' in '{node.tag}'", hint=nearest(kid.tag, known))
            if part.many:
                values[part.name].append(part.read(kid))
                continue
            if part.name in seen:
                raise refuse(kid, f"element '{part.xml}' is given more than once in '{node.tag}'")
            seen.add(part.name)
            value = part.read(kid)
            if value is not MISSING:
                values[part.name] = value
        return content

    def read_text(self, node: etree._Element, values: dict[str, Any], content: str) -> None:
        """Read the node's own text into `values`."""
        part = self.text_part
        if part is None:
            if content and not content.isspace():
                raise refuse(node, f"unexpected text in element '{node.tag}'")
            return
        if part.default is None and (not content or (self.child_parts and content.isspace())):
            return
        if self.child_parts and any(isinstance(kid.tag, str) for kid in node):
            raise refuse(node, f"unexpected text in element '{node.tag}' beside its elements")
        try:
            values[part.name] = part.parse(content) if part.unit is None else part.measured(content, node)
        except ValueError as error:
            raise refuse_value(node, content, part.codec, error) from None

    def missing(self, node: etree._Element, name: str) -> XmlError:
        """The error for a required part that the node lacks."""
        part = self.by_name[name]
        if isinstance(part, AttributePart):
            return refuse(node, f"Missing required attribute '{part.xml}' in element '{node.tag}'")
        return refuse(node, f"Missing required element '{part.xml}' in '{node.tag}'")


def compile_plan(cls: type[Element]) -> Plan:
    """The tables of a class, from its declarations and annotations.

    :raise TypeError: a declaration makes no sense; a defect of the class.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    taken = vars(cls.__mro__[-2])
    parts = []
    for name, declared in _declarations(cls):
        if name in taken:
            raise TypeError(f"{cls.__qualname__}.{name} hides a method of every element")
        part = _part(name, declared, hints[name], f"{cls.__qualname__}.{name}")
        if name == cls.chosen_by and cls.chosen_when is not None and isinstance(part, AttributePart):
            part.default = part.parse(cls.chosen_when)
        parts.append(part)
    variants = cls.variants if cls.chosen_by and cls.chosen_when is None else {}
    return Plan(parts, variants, cls.chosen_by, cls.chosen_when)


def _declarations(cls: type[Element]) -> Iterator[tuple[str, Declaration]]:
    """The fields in the order in which they are written: bases first, those with `tail` last."""
    bases = [base for base in reversed(cls.__mro__) if hasattr(base, "comes_last")]
    order = [base for base in bases if not base.__dict__.get("comes_last")]
    order += [base for base in bases if base.__dict__.get("comes_last")]
    last: dict[str, type] = {}
    for base in bases:
        last |= {name: base for name, value in vars(base).items() if isinstance(value, Declaration)}
    for base in order:
        for name, value in vars(base).items():
            if isinstance(value, Declaration) and last[name] is base:
                yield name, value


def _part(name: str, declared: Declaration, hint: Any, where: str) -> Part:
    """The part that a declaration and its annotation make."""
    hint, optional = _without_none(hint)
    default = declared.default
    if default is MISSING and optional:
        default = None
    match declared.role:
        case Role.FLAG:
            return FlagPart(name, declared, False)
        case Role.VERBATIM:
            return VerbatimPart(name, declared, None)
        case Role.CHILDREN:
            if get_origin(hint) is not list:
                raise TypeError(f"{where} has children and must be a list")
            item = _child(name, declared, get_args(hint)[0], None, where)
            return ListPart(name, _named(declared, item), item)
        case Role.CHILD:
            return _child(name, declared, hint, default, where)
        case Role.ATTRIBUTE:
            return AttributePart(name, declared, default, _codec(hint, where))
        case Role.TEXT:
            return TextPart(name, declared, default, _codec(hint, where))


def _child(name: str, declared: Declaration, hint: Any, default: Any, where: str) -> ElementPart | ScalarChild:
    kind: Any = hint
    if isinstance(kind, type) and hasattr(kind, "element_tag"):
        named = declared if declared.xml or not kind.element_tag else _retagged(declared, kind.element_tag)
        return ElementPart(name, named, default, kind)
    return ScalarChild(name, declared, default, _codec(hint, where))


def _retagged(declared: Declaration, tag: str) -> Declaration:
    return declared._replace(xml=tag)


def _named(declared: Declaration, item: ChildPart) -> Declaration:
    return _retagged(declared, item.xml)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """The annotation without `| None`, and whether it had that."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        if len(kinds) == 1:
            return kinds[0], True
    return hint, False


def _codec(hint: Any, where: str) -> Codec:
    if get_origin(hint) is Annotated:
        for extra in hint.__metadata__:
            if isinstance(extra, Codec):
                return extra
        hint = get_args(hint)[0]
    codec = codec_of(hint)
    if codec is None:
        raise TypeError(f"{where}: no way to write a {hint}")
    return codec
