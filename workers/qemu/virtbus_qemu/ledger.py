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

_READ = "(read)"
_classes: dict[type[Element], type[Element]] = {}


def watch(element: E) -> E:
    """A deep copy that notes what is read of it."""
    return cast(E, _watched(element))


def unread(element: Element, path: str) -> list[str]:
    """The XML paths, below `path`, of what is set in a watched element and was not read. Of an element none of whose
    fields was read, only its own path."""
    return list(_unread(element, path))


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
    paths = unread(element, path)
    if paths:
        raise ConfigUnsupported(
            f"the QEMU worker cannot do {', '.join(paths[:5])}" + (" and more" if len(paths) > 5 else ""),
            domain=domain,
            hint="leave it out",
            evidence={"path": paths[0], "paths": paths},
        )


def _watched(value: Any) -> Any:
    if isinstance(value, list):
        return [_watched(each) for each in value]
    if not isinstance(value, Element):
        return value
    kind = _watched_class(type(value))
    twin = kind.__new__(kind)
    object.__setattr__(twin, "__dict__", {name: _watched(each) for name, each in vars(value).items()})
    vars(twin)[_READ] = set()
    return twin


def _watched_class(kind: type[Element]) -> type[Element]:
    known = _classes.get(kind)
    if known is None:
        plan = kind.plan()

        def noting(self: Element, name: str) -> Any:
            values = object.__getattribute__(self, "__dict__")
            if name in values:
                values[_READ].add(name)
            return object.__getattribute__(self, name)

        known = type(kind.__name__, (kind,), {"__getattribute__": noting, "plan": classmethod(lambda _: plan)})
        known.comes_last = kind.comes_last
        _classes[kind] = known
    return known


def _unread(element: Element, path: str) -> Iterator[str]:
    values = vars(element)
    seen: set[str] = values[_READ]
    present = [part for part in element.plan().parts if _is_set(part, values[part.name])]
    if present and not any(part.name in seen for part in present):
        yield path
        return
    for part in present:
        value, here = values[part.name], f"{path}/{_step(part)}"
        if part.name not in seen:
            yield here
        elif isinstance(value, Element):
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
