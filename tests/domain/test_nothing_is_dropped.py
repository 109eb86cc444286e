"""Nothing in a document is dropped silently: what is added anywhere is refused, what is taken away is missed."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from virtbus.domain import Domain
from virtbus.domain.devices import BY_TAG
from virtbus.errors import InvalidArgument
from virtbus.xml import Element

VOCABULARY = sorted((Path(__file__).parent / "golden" / "vocabulary").glob("*.xml"))
MEANT_ANYWAY = {("redirdev", "bus")}
"""Attributes whose only value is also meant without them."""
NAMES = [path.stem for path in VOCABULARY]


def read(root: etree._Element) -> Element:
    """The model of a node."""
    kind: type[Element] = Domain if root.tag == "domain" else BY_TAG[str(root.tag)]
    return kind.parse_node(root)


def ours(root: etree._Element) -> list[etree._Element]:
    """The elements whose content is ours: all but those within <metadata>."""
    return [
        node
        for node in root.iter(etree.Element)
        if not any(ancestor.tag == "metadata" for ancestor in node.iterancestors())
    ]


def spoilt(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Put an attribute, an element and a word where none belongs, one after the other, and take each out again."""
    tree = root.getroottree()
    for node in ours(root):
        path = tree.getpath(node)
        node.set("bogus", "1")
        yield f"{path}/@bogus", "unknown attribute 'bogus'"
        del node.attrib["bogus"]
        if node.tag == "metadata":
            continue
        added = etree.SubElement(node, "bogus")
        yield f"{path}/bogus", "'bogus'"
        node.remove(added)


@pytest.mark.parametrize("path", VOCABULARY, ids=NAMES)
def test_what_is_added_anywhere_is_refused_there(path: Path) -> None:
    root = etree.fromstring(path.read_bytes())
    for place, words in spoilt(root):
        with pytest.raises(InvalidArgument) as refused:
            read(root)
        # Text and elements exclude each other in a few elements, and there it is the text that is refused.
        assert refused.value.evidence["path"] in (place, place.removesuffix("/bogus")), place
        assert words in refused.value.message or "unexpected text" in refused.value.message


@pytest.mark.parametrize("path", VOCABULARY, ids=NAMES)
def test_what_is_taken_away_anywhere_is_missed(path: Path) -> None:
    root = etree.fromstring(path.read_bytes())
    whole = read(root)
    for number, node in enumerate(ours(root)):
        for name in map(str, node.attrib):
            if name == "unit" or (node.tag, name) in MEANT_ANYWAY:
                continue
            twin = deepcopy(root)
            del ours(twin)[number].attrib[name]
            assert differs(twin, whole), f"{root.getroottree().getpath(node)}/@{name}"


def differs(root: etree._Element, whole: Element) -> bool:
    """Whether a document is refused, or means something else."""
    try:
        return read(root) != whole
    except InvalidArgument:
        return True
