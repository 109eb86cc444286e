"""A small vocabulary that uses everything the layer offers; the tests of the layer read and write it."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from virtbus.xml import (
    Element,
    Hex2,
    Hex4,
    OnOff,
    Ranges,
    UInt,
    attribute,
    child,
    children,
    flag,
    namespace,
    text,
    verbatim,
)

namespace("toy", "urn:example:toy")


class Colour(StrEnum):
    """An enumeration."""

    RED = "red"
    DARK_BLUE = "dark-blue"


class Place(Element, tag="place", by="kind"):
    """An element with variants."""

    kind: str = attribute()


class Shelf(Place, when="shelf"):
    """A variant."""

    row: Hex2 = attribute(default=0)


class Drawer(Place, when="drawer"):
    """Another variant."""

    number: UInt = attribute()


class Ending(Element, tail=True):
    """What ends others."""

    label: str | None = child(attribute="name", live=lambda value: not value.startswith("my-"))
    place: Place | None = child()


class Wheel(Element):
    """An element without a tag of its own."""

    radius: int = attribute(unit="KiB")
    spare: bool | None = attribute()


class Note(Element, tag="note", empty=True):
    """An element that means something even when it is empty; it nests."""

    author: str | None = attribute()
    note: Note | None = child()


class Blank(Element, tag="blank"):
    """An element that means nothing when it is empty."""

    width: UInt | None = attribute()


class Argument(Element, tag="toy:argument"):
    """An element of another namespace."""

    value: str = attribute()


class Mixed(Element, tag="mixed"):
    """An element with either text or children."""

    path: str | None = text()
    parts: list[str] = children("part")


class Toy(Ending, tag="toy"):
    """The root."""

    colour: Colour = attribute()
    serial: UUID | None = attribute()
    power: OnOff | None = attribute()
    mask: Hex4 | None = attribute("bit-mask")
    secret_word: str | None = attribute("secretWord", secret=True)
    motion: int | None = attribute(live=True)
    name: str = child()
    weight: int | None = child(unit="KiB", assumed="bytes")
    owner: str | None = child(attribute="name")
    rows: Ranges | None = child()
    loud: bool = flag()
    tags: list[str] = children("tag")
    ages: list[int] = children("age", attribute="years")
    wheels: list[Wheel] = children("wheel")
    note: Note | None = child()
    blank: Blank | None = child()
    mixed: Mixed | None = child()
    extra: list[str] = verbatim()
    arguments: list[Argument] = children()
