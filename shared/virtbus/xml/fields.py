"""The one-line declarations of an element's attributes and children.

A class lists its fields in the order in which libvirt writes them. The annotation says which value it is and whether
it may be absent; the name in the document is the field's own unless the declaration gives another:

    class Timer(Element, tag="timer"):
        name: TimerName = attribute()                              # required
        tick_policy: TickPolicy | None = attribute("tickpolicy")   # may be absent
        catchup: Catchup | None = child()                          # a nested element

These functions return `Any` so that the annotation decides the type that mypy sees.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from virtbus.xml.codec import Refusal

Live = bool | Callable[[Any], bool]


class Missing(Enum):
    """The value of what has none."""

    MISSING = "missing"


MISSING = Missing.MISSING


class Role(Enum):
    """Where a field's value stands."""

    ATTRIBUTE = "attribute"
    TEXT = "text"
    CHILD = "child"
    CHILDREN = "children"
    FLAG = "flag"
    VERBATIM = "verbatim"


class Declaration(NamedTuple):
    """What a class says about one of its fields."""

    role: Role
    xml: str | None = None
    default: Any = MISSING
    attribute: str | None = None
    """For a child that is only an attribute's carrier: that attribute's name."""
    unit: str | None = None
    """For sizes: the unit of the value and of what is written."""
    assumed: str | None = None
    """For sizes: the unit of a document that names none."""
    live: Live = False
    """Only a running object has it; a function decides by the value."""
    secret: bool = False
    """Written only on request."""
    always: bool = False
    """For an element: where the document lacks it, it is there without content."""
    private: bool = False
    """Only the hypervisor's driver reads and writes it, in its own notes."""
    exact: Refusal | None = None
    """For sizes: how one is refused that is no whole number of units; without it, it is rounded up."""


def attribute(
    xml: str | None = None,
    *,
    default: Any = MISSING,
    unit: str | None = None,
    assumed: str | None = None,
    live: Live = False,
    secret: bool = False,
    private: bool = False,
) -> Any:
    """An attribute. With `unit` it is a size, whose unit stands in the attribute `unit` beside it."""
    return Declaration(Role.ATTRIBUTE, xml, default, None, unit, assumed or unit, live, secret, private=private)


def text(*, default: Any = MISSING, unit: str | None = None, assumed: str | None = None, secret: bool = False) -> Any:
    """The element's own text. With `unit` it is a size, whose unit stands in the attribute `unit`."""
    return Declaration(Role.TEXT, None, default, None, unit, assumed or unit, False, secret)


def child(
    xml: str | None = None,
    *,
    attribute: str | None = None,
    default: Any = MISSING,
    unit: str | None = None,
    assumed: str | None = None,
    live: Live = False,
    secret: bool = False,
    always: bool = False,
    private: bool = False,
    exact: Refusal | None = None,
) -> Any:
    """One child element: of an element class; or only text; or, with `attribute`, only that attribute.

    With `always` a document that lacks the element has it without content; a size that is `exact` is never rounded.
    """
    return Declaration(Role.CHILD, xml, default, attribute, unit, assumed or unit, live, secret, always, private, exact)


def children(xml: str | None = None, *, attribute: str | None = None, live: Live = False) -> Any:
    """Any number of child elements, as a list; of the same three kinds as `child`."""
    return Declaration(Role.CHILDREN, xml, MISSING, attribute, None, None, live)


def flag(xml: str | None = None) -> Any:
    """An empty child whose presence means true, such as <readonly/>."""
    return Declaration(Role.FLAG, xml, False)


def verbatim(xml: str | None = None) -> Any:
    """A child whose content belongs to others: a list of its elements, each as XML text, kept as it is."""
    return Declaration(Role.VERBATIM, xml, MISSING)
