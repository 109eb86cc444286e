"""The base of every XML model: a class that lists its fields, one line each, in the order libvirt writes them.

    class Watchdog(Element, tag="watchdog"):
        model: WatchdogModel = attribute()
        action: WatchdogAction = attribute(default=WatchdogAction.RESET)

`parse` refuses whatever the class does not declare; `format` writes libvirt's layout; `to_json` and `from_json` are
the same model as JSON, with the fields' names as keys.

Class keywords:
- `tag`: the element's name; a field may give another.
- `by`: the field by whose value a subclass is chosen; the subclasses say theirs with `when`.
- `empty`: the element means something even without attributes and children; others are left out when empty.
- `tail`: the fields follow those of subclasses, as libvirt ends every device with alias and address.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast, dataclass_transform

from lxml import etree

from virtbus.errors import XmlError
from virtbus.xml.document import DEPTH, parse_document
from virtbus.xml.fields import MISSING
from virtbus.xml.form import Form, Mode, notes_are_read
from virtbus.xml.namespace import NAMESPACES, escape_text, escape_value, qualified
from virtbus.xml.plan import Plan, compile_plan
from virtbus.xml.refusal import nearest, refuse, refuse_value


@dataclass_transform(kw_only_default=True, eq_default=False)
class Element:
    """An XML element as a model."""

    element_tag: ClassVar[str | None] = None
    keeps_empty: ClassVar[bool] = False
    comes_last: ClassVar[bool] = False
    chosen_by: ClassVar[str | None] = None
    chosen_when: ClassVar[str | None] = None
    variants: ClassVar[dict[str, type[Element]]] = {}
    _plan: ClassVar[Plan | None] = None

    def __init_subclass__(
        cls,
        tag: str | None = None,
        by: str | None = None,
        when: str | None = None,
        empty: bool = False,
        tail: bool = False,
    ) -> None:
        cls._plan = None
        cls.comes_last = tail
        if tag is not None:
            cls.element_tag = tag
        if empty:
            cls.keeps_empty = True
        if by is not None:
            cls.chosen_by, cls.variants = by, {}
        if when is not None:
            cls.chosen_when = when
            cls.variants[when] = cls

    def __init__(self, **values: Any) -> None:
        plan = self.plan()
        own = plan.fresh()
        for name, value in values.items():
            if name not in own:
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            own[name] = value
        missing = [name for name in plan.required if own[name] is MISSING]
        if missing:
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        self.__dict__ = own

    @classmethod
    def plan(cls) -> Plan:
        """The compiled tables of this class, made at first use."""
        plan = cls.__dict__.get("_plan")
        if plan is None:
            plan = cls._plan = compile_plan(cls)
        return plan

    # ---- XML in ----

    @classmethod
    def parse(cls, xml: str | bytes) -> Self:
        """The element that a document describes.

        :raise XmlError: it is not well formed, or has an element, an attribute or a value that is not declared.
        :raise TooLarge: it is larger than the bus carries.
        """
        return cls.parse_node(parse_document(xml))

    @classmethod
    def parse_node(cls, node: etree._Element) -> Self:
        """As `parse`, of a node that was read by `parse_document`."""
        expected = cls.element_tag
        if expected is not None and node.tag != qualified(expected):
            raise refuse(node, f"unexpected root element <{node.tag}>, expecting <{expected}>")
        return cls.read(node)

    @classmethod
    def read(cls, node: etree._Element) -> Self:
        """The element that a node describes, whatever its tag is."""
        plan = cls.plan()
        if plan.variants:
            return cast("Self", cls._variant(node).read(node))
        values = plan.fresh()
        for name, raw in cast("list[tuple[str, str]]", node.items()):
            attribute = plan.attributes.get(name)
            if attribute is None and notes_are_read():
                attribute = plan.private_attributes.get(name)
            if attribute is None:
                if name == "unit" and plan.measured:
                    continue
                raise refuse(
                    node,
                    f"unknown attribute '{name}' in element '{node.tag}'",
                    attribute=name,
                    hint=nearest(name, plan.attributes),
                )
            try:
                values[attribute.name] = (
                    attribute.parse(raw) if attribute.unit is None else attribute.measured(raw, node)
                )
            except ValueError as error:
                raise refuse_value(node, raw, attribute.codec, error, attribute=name) from None
        content = node.text or ""
        if len(node):
            content = plan.read_children(node, values, content)
        plan.read_text(node, values, content)
        for name in plan.required:
            if values[name] is MISSING:
                raise plan.missing(node, name)
        self = cls.__new__(cls)
        self.__dict__ = values
        return self

    @classmethod
    def _variant(cls, node: etree._Element) -> type[Element]:
        plan = cls.plan()
        value = node.get(plan.chosen_xml)
        if value is None:
            raise refuse(node, f"Missing required attribute '{plan.chosen_xml}' in element '{node.tag}'")
        kind = plan.variants.get(value)
        if kind is None:
            raise refuse(
                node,
                f"Invalid value for attribute '{plan.chosen_xml}' in element '{node.tag}': '{value:.200}'.",
                attribute=plan.chosen_xml,
                hint=f"one of {', '.join(plan.variants)} is expected",
            )
        return kind

    # ---- XML out ----

    def format(self, form: Form = Form.LIVE, secure: bool = False) -> str:
        """The document in libvirt's layout, ending in a line break.

        :param form: what of the object is meant.
        :param secure: whether secrets such as passwords are in it.
        """
        mode = Mode(form, secure)
        out: list[str] = []
        tag = self.element_tag or type(self).__name__.lower()
        if ":" in tag:
            mode.prefixes.add(tag.partition(":")[0])
        self.write(tag, "", out, mode, empty=True)
        if mode.prefixes:
            names = "".join(f" xmlns:{prefix}='{NAMESPACES[prefix]}'" for prefix in sorted(mode.prefixes))
            at = out[0].index(">")
            at -= out[0][at - 1] == "/"
            out[0] = out[0][:at] + names + out[0][at:]
        return "\n".join(out) + "\n"

    def write(self, tag: str, pad: str, out: list[str], mode: Mode, *, empty: bool = False) -> None:
        """Append the element's lines; nothing where it is empty and that means nothing."""
        shown = self.shown(mode)
        plan, values = shown.plan(), shown.__dict__
        head = ""
        for part in plan.attribute_parts:
            value = values[part.name]
            if value is None or (part.guarded and part.hidden(value, mode)):
                continue
            head += f" {part.xml}='{escape_value(part.to_text(value))}'"
            if part.unit:
                head += f" unit='{part.unit}'"
        text = plan.text_part
        if (
            text is not None
            and (value := values[text.name]) is not None
            and not (text.guarded and text.hidden(value, mode))
        ):
            if text.unit:
                head += f" unit='{text.unit}'"
            if content := escape_text(text.to_text(value)):
                out.append(f"{pad}<{tag}{head}>{content}</{tag}>")
                return
        mark = len(out)
        out.append("")
        inner = pad + "  "
        for kid in plan.child_parts:
            value = values[kid.name]
            if value is None or (kid.guarded and kid.hidden(value, mode)):
                continue
            kid.write(value, inner, out, mode)
        if len(out) > mark + 1:
            out[mark] = f"{pad}<{tag}{head}>"
            out.append(f"{pad}</{tag}>")
        elif head or empty or shown.keeps_empty:
            out[mark] = f"{pad}<{tag}{head}/>"
        else:
            del out[mark]

    def shown(self, mode: Mode) -> Element:
        """What is written in this mode; classes whose form is more than leaving fields out return an altered copy."""
        return self

    # ---- JSON ----

    def to_json(self, form: Form = Form.LIVE, secure: bool = False) -> dict[str, Any]:
        """The same model as plain JSON values; what is absent is left out."""
        return self.dump(Mode(form, secure))

    def dump(self, mode: Mode) -> dict[str, Any]:
        """As `to_json`, in a given mode."""
        shown = self.shown(mode)
        plan, values = shown.plan(), shown.__dict__
        result: dict[str, Any] = {}
        for part in plan.parts:
            value = values[part.name]
            if value is None or value == [] or (value is False and part.default is False):
                continue
            if part.guarded and part.hidden(value, mode):
                continue
            result[part.name] = part.dump(value, mode)
        return result

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The model that JSON values describe.

        :raise XmlError: a key or a value is not declared; `evidence["path"]` says where.
        """
        return cls.load(value, f"/{cls.element_tag or cls.__name__.lower()}")

    @classmethod
    def load(cls, value: Any, path: str) -> Self:
        """As `from_json`, of the part of a document that `path` names."""
        if not isinstance(value, dict):
            raise XmlError(f"{value!r:.80} is no value of {path}: an object is expected", evidence={"path": path})
        if path.count("/") > DEPTH:
            raise XmlError(f"objects nest deeper than {DEPTH} levels", evidence={"path": path[:200]})
        plan = cls.plan()
        if plan.variants:
            choice = value.get(cls.chosen_by)
            kind = plan.variants.get(choice) if isinstance(choice, str) else None
            if kind is None:
                where = f"{path}/{cls.chosen_by}"
                raise XmlError(
                    f"{choice!r:.80} is no value of {where}",
                    hint=f"one of {', '.join(plan.variants)} is expected",
                    evidence={"path": where},
                )
            return cast("Self", kind.load(value, path))
        values = plan.fresh()
        for key, each in value.items():
            part = plan.by_name.get(key)
            if part is None or (part.private and not notes_are_read()):
                where = f"{path}/{key}"
                raise XmlError(f"unknown key {where}", hint=nearest(str(key), plan.by_name), evidence={"path": where})
            values[part.name] = (
                None if each is None and part.default is None and not part.many else part.load(each, f"{path}/{key}")
            )
        if plan.text_part is not None and values[plan.text_part.name] is not None:
            for part in plan.child_parts:
                if part.name in value and values[part.name] != plan.fresh()[part.name]:
                    raise XmlError(
                        f"{path}/{plan.text_part.name} and {path}/{part.name} exclude each other",
                        evidence={"path": f"{path}/{part.name}"},
                    )
        for name in plan.required:
            if values[name] is MISSING:
                raise XmlError(f"Missing required key {path}/{name}", evidence={"path": f"{path}/{name}"})
        self = cls.__new__(cls)
        self.__dict__ = values
        return self

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON Schema (draft 2020-12) of `to_json`."""
        from virtbus.xml import schema  # only who asks for a schema needs it

        definitions: dict[str, Any] = {}
        return schema.document(cls.define_schema(definitions), definitions)

    @classmethod
    def define_schema(cls, definitions: dict[str, Any]) -> dict[str, Any]:
        """Add this class's schema to the definitions; returns the reference to it."""
        from virtbus.xml import schema

        return schema.reference(cls, definitions)

    # ---- as a value ----

    def copy(self) -> Self:
        """A deep copy."""
        values = self.__dict__.copy()
        for part in self.plan().compound_parts:
            values[part.name] = part.copy(values[part.name])
        twin = type(self).__new__(type(self))
        twin.__dict__ = values
        return twin

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def is_blank(self) -> bool:
        """Whether nothing is set and an empty element means nothing."""
        return not self.keeps_empty and self.__dict__ == self.plan().fresh()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        blank = self.plan().fresh()
        said = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items() if value != blank.get(name))
        return f"{type(self).__name__}({said})"
