"""Which element of one document is which of another: by alias, by libvirt's keys, by address, else by its place."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from virtbus.domain.controller import Controller
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk
from virtbus.domain.interface import Interface
from virtbus.domain.lookup import ALONE
from virtbus.xml import Element
from virtbus.xml.form import Form, Mode
from virtbus.xml.part import AttributePart, ElementPart, ScalarChild

DEVICE_KEYS: dict[type[Device], tuple[str, ...]] = {**ALONE, Interface: ("mac.address",)}
"""What a device of each kind is known by, besides its alias and its address."""

NAMES = ("name", "id", "vcpu", "vcpus", "iothread", "iothreads", "cellid", "index", "dev", "group", "scope")
"""What other elements that come several times are known by; the first of these that they have."""

SORTED = (Disk, Controller)
"""Kinds that libvirt keeps in an order of its own, so that the document's means nothing."""

Key = Callable[[Any], Hashable]


def field(model: Any, dotted: str) -> Any:
    """The value of such as `target.dev`; None where something on the way is absent."""
    for name in dotted.split("."):
        model = getattr(model, name, None)
    return model


def keys_of(kind: type[Element]) -> tuple[str, ...]:
    """The fields by which an element of this kind is known; none where it is known by its place alone."""
    for device, keys in DEVICE_KEYS.items():
        if issubclass(kind, device):
            return keys
    if issubclass(kind, Device):
        return ()
    known = kind.plan().by_name
    return next(((name,) for name in NAMES if name in known and not known[name].compound), ())


def match(ours: Sequence[Any], theirs: Sequence[Any]) -> list[tuple[int | None, int | None]]:
    """Pairs of positions that mean the same thing; None on the side that does not have it."""
    left, right = dict(enumerate(ours)), dict(enumerate(theirs))
    pairs: list[tuple[int | None, int | None]] = []
    for key in _passes(ours, theirs):
        for one, other in _paired(left, right, key):
            del left[one], right[other]
            pairs.append((one, other))
    if not _known_by_key([*left.values(), *right.values()]):
        rest = list(zip(left, right, strict=False))
        pairs += rest
        for one, other in rest:
            del left[one], right[other]
    pairs.sort(key=lambda pair: pair[0] or 0)
    return [*pairs, *((one, None) for one in left), *((None, other) for other in right)]


def _known_by_key(items: Sequence[Any]) -> bool:
    """Whether what is left over differs in what it is known by, so that it is not the same thing changed."""
    return any(_own_key(item) is not None for item in items)


def _passes(ours: Sequence[Any], theirs: Sequence[Any]) -> Iterator[Key]:
    """The keys to try, the surest first."""
    both = [*ours, *theirs]
    if any(isinstance(item, Device) for item in both):
        yield lambda item: item.alias
    yield _own_key
    if any(isinstance(item, Device) for item in both):
        yield lambda item: None if item.address is None else written(item.address)
    yield written


def _own_key(item: Any) -> Hashable:
    if not isinstance(item, Element):
        return None
    values = tuple(field(item, name) for name in keys_of(type(item)))
    return None if not values or all(value is None for value in values) else (type(item).element_tag, *values)


def written(item: Any) -> str:
    """The whole of an item, to be compared."""
    value = item.dump(Mode(Form.STATUS, secure=True)) if isinstance(item, Element) else item
    return json.dumps(value, sort_keys=True, default=str)


def _paired(left: dict[int, Any], right: dict[int, Any], key: Key) -> list[tuple[int, int]]:
    """Positions with the same key, those with equal keys in order; None is no key."""
    there: dict[Hashable, list[int]] = defaultdict(list)
    for position, item in reversed(right.items()):
        if (value := key(item)) is not None:
            there[value].append(position)
    return [(position, there[value].pop()) for position, item in left.items() if there.get(value := key(item))]


def moved(ours: Sequence[Any], pairs: Sequence[tuple[int | None, int | None]]) -> list[tuple[int, int]]:
    """The pairs whose order differs where order means something: of plain values such as boot devices, and of
    devices without an address, since libvirt gives addresses in the order of the document."""
    kept = [(one, other) for one, other in pairs if one is not None and other is not None]
    order = sorted(other for _, other in kept)
    strayed = [(one, other) for (one, other), place in zip(kept, order, strict=True) if other != place]
    return [pair for pair in strayed if _has_order(ours[pair[0]])]


def _has_order(item: Any) -> bool:
    if isinstance(item, Device):
        return not isinstance(item, SORTED) and item.address is None
    return not isinstance(item, Element)


def predicate(item: Any) -> str | None:
    """What an XPath step says to mean this element and no other of its kind; None where only its place says that."""
    if not isinstance(item, Element):
        return None
    names = [name for name in keys_of(type(item)) if field(item, name) is not None]
    if not names and isinstance(item, Device) and item.alias is not None:
        names = ["alias"]
    said = [f"{_xpath(item, name)}={_quoted(_text(item, name))}" for name in names]
    return f"[{' and '.join(said)}]" if said else None


def _xpath(item: Element, dotted: str) -> str:
    name, _, rest = dotted.partition(".")
    part = item.plan().by_name[name]
    if isinstance(part, ElementPart):
        return f"{part.xml}/{_xpath(getattr(item, name), rest)}"
    if isinstance(part, ScalarChild):
        return part.xml if part.attribute is None else f"{part.xml}/@{part.attribute}"
    return f"@{part.xml}" if isinstance(part, AttributePart) else "text()"


def _text(item: Element, dotted: str) -> str:
    name, _, rest = dotted.partition(".")
    part: Any = item.plan().by_name[name]
    value = getattr(item, name)
    return _text(value, rest) if rest else part.to_text(value)


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
