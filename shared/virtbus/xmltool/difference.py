"""What two documents differ in, by meaning: element by element, wherever each stands in its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from virtbus.xml import Element, Form
from virtbus.xml.form import Mode
from virtbus.xml.part import AttributePart, ElementPart, FlagPart, ListPart, Part, ScalarChild, TextPart, VerbatimPart
from virtbus.xmltool.matching import match, moved, predicate

HIDDEN = "(secret)"


class Change(StrEnum):
    """What happened between the first document and the second."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


MARKS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~", Change.MOVED: ">"}


@dataclass(frozen=True)
class Difference:
    """One difference: a value, or an element that only one of them has."""

    change: Change
    path: str
    """An XPath that means the element, attribute or text."""
    before: str | None = None
    """A value as it is written, an element as XML, a place in the order; secrets are not shown."""
    after: str | None = None

    def __str__(self) -> str:
        head = f"{MARKS[self.change]} {self.path}"
        if self.change is Change.CHANGED:
            return f"{head}: {self.before} -> {self.after}"
        if self.change is Change.MOVED:
            return f"{head}: moved from place {self.before} to {self.after}"
        content = (self.after if self.before is None else self.before) or ""
        if not content.startswith("<"):
            return f"{head}: {content}" if content else head
        return "\n".join([head, *(f"    {line}" for line in content.splitlines())])

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def differences(ours: Element, theirs: Element, form: Form = Form.LIVE) -> list[Difference]:
    """What the second document has, lacks or says otherwise, compared with the first.

    :param form: INACTIVE leaves out what only a running domain has.
    """
    tag = ours.element_tag or "element"
    return list(_elements(ours, theirs, f"/{tag}", Mode(form, secure=True)))


def _elements(ours: Element, theirs: Element, path: str, mode: Mode) -> Iterator[Difference]:
    ours, theirs = ours.shown(mode), theirs.shown(mode)
    parts = {**ours.plan().by_name, **theirs.plan().by_name}
    for name, part in parts.items():
        before, after = (_value(each, name, mode) for each in (ours, theirs))
        if before != after:
            yield from _part(part, before, after, path, mode)


def _value(model: Element, name: str, mode: Mode) -> Any:
    """A field's value as far as this mode shows it; None for what is absent."""
    part = model.plan().by_name.get(name)
    value = getattr(model, name) if part is not None else None
    if part is None or value is None or (part.guarded and part.hidden(value, mode)):
        return None
    return None if value == [] or (value is False and isinstance(part, FlagPart)) else value


def _part(part: Part, before: Any, after: Any, path: str, mode: Mode) -> Iterator[Difference]:
    match part:
        case ListPart():
            yield from _lists(part, before or [], after or [], path, mode)
        case VerbatimPart():
            yield from _foreign(before or [], after or [], f"{path}/{part.xml}")
        case ElementPart() if before is not None and after is not None:
            yield from _elements(before, after, f"{path}/{part.xml}", mode)
        case _:
            yield _plain(part, before, after, _place(part, path))


def _place(part: Part, path: str) -> str:
    match part:
        case AttributePart():
            return f"{path}/@{part.xml}"
        case TextPart():
            return path
        case ScalarChild(attribute=str() as attribute):
            return f"{path}/{part.xml}/@{attribute}"
    return f"{path}/{part.xml}"


def _plain(part: Part, before: Any, after: Any, path: str) -> Difference:
    """A difference in one value, or in an element that one side lacks."""
    if before is None:
        return Difference(Change.ADDED, path, None, _shown(part, after))
    if after is None:
        return Difference(Change.REMOVED, path, _shown(part, before), None)
    return Difference(Change.CHANGED, path, _shown(part, before), _shown(part, after))


def _shown(part: Part, value: Any) -> str:
    if part.secret:
        return HIDDEN
    if isinstance(value, Element):
        lines: list[str] = []
        value.write(part.xml, "", lines, Mode(Form.LIVE), empty=True)
        return "\n".join(lines)
    if isinstance(part, AttributePart | TextPart | ScalarChild):
        text: str = part.to_text(value)
        return f"{text} {part.unit}" if part.unit else text
    return ""


def _lists(part: ListPart, before: list[Any], after: list[Any], path: str, mode: Mode) -> Iterator[Difference]:
    pairs = match(before, after)
    swapped = dict(moved(before, pairs))
    for one, other in pairs:
        items, place = (before, one) if one is not None else (after, other)
        assert place is not None
        step = predicate(items[place]) or (f"[{place + 1}]" if len(items) > 1 else "")
        where = f"{path}/{part.xml}{step}"
        if isinstance(part.item, ScalarChild) and part.item.attribute is not None:
            where += f"/@{part.item.attribute}"
        if one is None or other is None:
            old, new = (None if at is None else side[at] for at, side in ((one, before), (other, after)))
            yield _plain(part.item, old, new, where)
            continue
        if one in swapped:
            yield Difference(Change.MOVED, where, str(one + 1), str(other + 1))
        if isinstance(part.item, ElementPart):
            yield from _elements(before[one], after[other], where, mode)
        elif before[one] != after[other]:
            yield _plain(part.item, before[one], after[other], where)


def _foreign(before: list[str], after: list[str], path: str) -> Iterator[Difference]:
    """Elements of others, which are compared as a whole."""
    for text in before:
        if text not in after:
            yield Difference(Change.REMOVED, path, text, None)
    for text in after:
        if text not in before:
            yield Difference(Change.ADDED, path, None, text)
