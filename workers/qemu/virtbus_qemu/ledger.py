"""Notes which parts of a model were read, so that what nobody acted on is refused instead of dropped.

The builder of the command line works on a watched copy of the domain. What is set there and was never read has had
no effect, and would be lost without a word; `unread` names it by its XML path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, cast

from virtbus.errors import ConfigUnsupported
from virtbus.xml import Element
from virtbus.xml.part import Part

E = TypeVar("E", bound=Element)

_ORIGINAL = "(original)"
_SOURCE = "(source)"
"""Of a copy of a watched element: that element, which is to note what is read of the copy."""
_classes: dict[type[Element], type[Element]] = {}


def watch(element: E) -> E:
    """A deep copy that notes what is read of it."""
    return cast(E, _watched(element))


def unread(element: Element, path: str) -> list[str]:
    """The XML paths, below `path`, of what is set in a watched element and was not read. Of an element none of whose
    fields was read, only its own path."""
    return list(_unread(element, path))


def peek(element: Element | None, name: str) -> Any:
    """A field's value without its being noted as read, for those that look at it and leave the acting to others; None
    of nothing."""
    if element is None:
        return None
    original: Element = element.__dict__.get(_ORIGINAL, element)
    return original.__dict__[name]


def read_through(value: Any) -> None:
    """Note a whole element, list or value as read: somebody else acts on it."""
    if isinstance(value, list):
        for each in value:
            read_through(each)
    elif isinstance(value, Element):
        for name in value.plan().fresh():
            read_through(getattr(value, name))


def refuse_unread(element: Element, path: str, domain: str) -> None:
    """Refuse a watched element of which something was not read.

    :raise ConfigUnsupported: `evidence["paths"]` lists what; `evidence["path"]` is the first.
    """
    if not _is_read(element) and (paths := unread(element, path)):
        raise ConfigUnsupported(
            f"the QEMU worker cannot do {', '.join(paths[:5])}" + (" and more" if len(paths) > 5 else ""),
            domain=domain,
            hint="leave it out",
            evidence={"path": paths[0], "paths": paths},
        )


class _Noting:
    """A field that is copied from the original at its first read; later ones Python finds in the instance itself, so
    that they cost nothing, and what was never read is what the instance lacks."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, element: Element, kind: type[Element]) -> Any:
        values = element.__dict__
        source = values.get(_SOURCE)
        value = getattr(source, self.name) if source is not None else values[_ORIGINAL].__dict__[self.name]
        values[self.name] = value
        return value


class _Watching(_Noting):
    """The same for a field with elements in it, which are watched in turn."""

    def __get__(self, element: Element, kind: type[Element]) -> Any:
        values = element.__dict__
        source = values.get(_SOURCE)
        if source is not None:
            value = _copied(getattr(source, self.name))
        else:
            value = _watched(values[_ORIGINAL].__dict__[self.name])
        values[self.name] = value
        return value


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value.copy() if isinstance(value, Element) else value


def _copy(element: Element) -> Element:
    """A copy that may be changed; what is read of it is noted as read of the element."""
    twin = type(element).__new__(type(element))
    twin.__dict__.update({_ORIGINAL: element.__dict__[_ORIGINAL], _SOURCE: element})
    return twin


def _watched(value: Any) -> Any:
    if isinstance(value, list):
        return [_watched(each) for each in value]
    if not isinstance(value, Element):
        return value
    kind = _classes.get(type(value)) or _watched_class(type(value))
    twin = kind.__new__(kind)
    twin.__dict__[_ORIGINAL] = value
    return twin


def _watched_class(kind: type[Element]) -> type[Element]:
    plan = kind.plan()
    of_the_original: dict[str, Any] = {
        "plan": classmethod(lambda _: plan),
        "copy": _copy,
        "is_blank": lambda self: self.__dict__[_ORIGINAL].is_blank(),
        "__eq__": lambda self, other: self.__dict__[_ORIGINAL] == getattr(other, "__dict__", {}).get(_ORIGINAL, other),
    }
    fields = {part.name: (_Watching if part.compound else _Noting)(part.name) for part in plan.parts}
    known: type[Element] = type(kind.__name__, (kind,), {**of_the_original, **fields})
    known.comes_last = kind.comes_last
    return _classes.setdefault(kind, known)


def _is_read(element: Element) -> bool:
    """Whether everything that is set was read: the usual case, for which no paths are made."""
    read = element.__dict__
    if _ORIGINAL not in read:
        return True  # the builder's own, in the place of what was there
    original = read[_ORIGINAL].__dict__
    for part in element.plan().parts:
        name = part.name
        value = original[name]
        if value is None:
            continue
        if not part.compound:
            if name not in read and value != part.default:
                return False
        elif _is_set(part, value):
            if name not in read:
                return False
            for each in read[name] if part.many else (read[name],):
                if isinstance(each, Element) and not _is_read(each):
                    return False
    return True


def _unread(element: Element, path: str) -> Iterator[str]:
    read = element.__dict__
    if _ORIGINAL not in read:
        return
    original = read[_ORIGINAL].__dict__
    present = [part for part in element.plan().parts if _is_set(part, original[part.name])]
    if present and not any(part.name in read for part in present):
        yield path
        return
    for part in present:
        here = f"{path}/{_step(part)}"
        if part.name not in read:
            yield here
        elif isinstance(value := read[part.name], Element):
            yield from _unread(value, here)
        elif isinstance(value, list):
            for number, each in enumerate(value, 1):
                if isinstance(each, Element):
                    yield from _unread(each, f"{here}[{number}]" if len(value) > 1 else here)


def _is_set(part: Part, value: Any) -> bool:
    if value is None or value == [] or value == part.default:
        return False
    return not (isinstance(value, Element) and value.is_blank())


def _step(part: Part) -> str:
    kind = type(part).__name__
    if kind == "AttributePart":
        return f"@{part.xml}"
    if kind == "TextPart":
        return "text()"
    inner = getattr(part, "item", part)
    attribute = getattr(inner, "attribute", None)
    return f"{inner.xml}/@{attribute}" if attribute else str(inner.xml)
