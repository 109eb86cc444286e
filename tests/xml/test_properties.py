"""Whatever model there is: XML and JSON bring it back."""

from __future__ import annotations

import contextlib
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtbus.errors import TooLarge, XmlError
from virtbus.xml import parse_document

from .vocabulary import Argument, Blank, Colour, Drawer, Mixed, Note, Shelf, Toy, Wheel

# What XML 1.0 can carry. A carriage return comes back too, since it is written as a reference.
TEXT = st.text(
    st.characters(
        exclude_categories=["Cs"],
        exclude_characters=[*map(chr, range(9)), "\x0b", "\x0c", *map(chr, range(14, 32)), "\ufffe", "\uffff"],
    ),
    max_size=20,
)
NOTES = st.recursive(
    st.builds(Note, author=st.none() | TEXT),
    lambda inner: st.builds(Note, author=st.none() | TEXT, note=inner),
    max_leaves=5,
)
ROWS = st.sets(st.integers(0, 40), min_size=1).map(
    lambda rows: Toy.parse(f"<toy colour='red'><name/><rows>{','.join(map(str, rows))}</rows></toy>").rows
)
TOYS = st.builds(
    Toy,
    colour=st.sampled_from(Colour),
    serial=st.none() | st.uuids(),
    power=st.none() | st.booleans(),
    mask=st.none() | st.integers(0, 2**32 - 1),
    secret_word=st.none() | TEXT,
    motion=st.none() | st.integers(-(2**63), 2**64 - 1),
    name=TEXT,
    weight=st.none() | st.integers(0, 2**54 - 1),
    owner=st.none() | TEXT,
    rows=st.none() | ROWS,
    loud=st.booleans(),
    tags=st.lists(TEXT, max_size=3),
    ages=st.lists(st.integers(0, 200), max_size=3),
    wheels=st.lists(st.builds(Wheel, radius=st.integers(0, 100), spare=st.none() | st.booleans()), max_size=3),
    note=st.none() | NOTES,
    blank=st.none() | st.builds(Blank, width=st.integers(0, 9)),
    mixed=st.none() | st.builds(Mixed, parts=st.lists(TEXT, min_size=1, max_size=3)),
    arguments=st.lists(st.builds(Argument, value=TEXT), max_size=2),
    label=st.none() | TEXT,
    place=st.none() | st.builds(Shelf, row=st.integers(0, 255)) | st.builds(Drawer, number=st.integers(0, 9)),
)
SLOW = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@SLOW
@given(TOYS)
def test_xml_brings_a_model_back(toy: Toy) -> None:
    written = toy.format(secure=True)
    assert Toy.parse(written) == toy
    assert Toy.parse(written).format(secure=True) == written


@SLOW
@given(TOYS)
def test_json_brings_a_model_back(toy: Toy) -> None:
    assert Toy.from_json(json.loads(json.dumps(toy.to_json(secure=True)))) == toy


@SLOW
@given(TOYS)
def test_a_copy_equals_and_shares_nothing(toy: Toy) -> None:
    twin = toy.copy()
    assert twin == toy
    twin.tags.append("more")
    assert twin != toy


@SLOW
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_input_is_read_or_refused_by_an_error_of_ours(document: str | bytes) -> None:
    with contextlib.suppress(XmlError, TooLarge):
        assert parse_document(document).tag
