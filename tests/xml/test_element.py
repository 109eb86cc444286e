"""The declarative layer: reading, refusing, writing, JSON, copying."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from virtbus.errors import XmlError
from virtbus.xml import Element, Form, attribute, child, children

from .vocabulary import Blank, Colour, Drawer, Mixed, Note, Shelf, Toy, Wheel

WHOLE = """\
<toy colour='dark-blue' serial='11111111-2222-4333-8444-555566667777' power='off' bit-mask='0x00ff' secretWord='hush' \
motion='-3' xmlns:toy='urn:example:toy'>
  <name>Tom &amp; &quot;Co&quot;</name>
  <weight unit='KiB'>2</weight>
  <owner name='it&apos;s me'/>
  <rows>0-3,7</rows>
  <loud/>
  <tag>a</tag>
  <tag/>
  <age years='3'/>
  <wheel radius='5' unit='KiB' spare='yes'/>
  <note>
    <note author='x'/>
  </note>
  <mixed>/dev/zero</mixed>
  <extra>
    <o:other xmlns:o="urn:example:other">
      <o:deep k="v">text</o:deep>
    </o:other>
  </extra>
  <toy:argument value='-x'/>
  <label name='toy0'/>
  <place kind='shelf' row='0x0a'/>
</toy>
"""


def test_what_was_read_is_written_in_libvirts_layout() -> None:
    assert Toy.parse(WHOLE).format(secure=True) == WHOLE


def test_values_become_python_values() -> None:
    toy = Toy.parse(WHOLE)
    assert toy.colour is Colour.DARK_BLUE
    assert toy.power is False
    assert toy.mask == 0xFF
    assert toy.weight == 2
    assert toy.ages == [3]
    assert toy.tags == ["a", ""]
    assert toy.note == Note(note=Note(author="x"))
    assert toy.place == Shelf(row=10)
    assert toy.wheels == [Wheel(radius=5, spare=True)]


def test_another_layout_means_the_same() -> None:
    shuffled = """<?xml version="1.0"?><!-- a toy --><toy xmlns:t="urn:example:toy" colour="dark-blue" motion=" -3 "
      bit-mask="255" power="off" serial="11111111222243338444555566667777" secretWord="hush"
      ><place kind="shelf" row="10"/><?pi x?><name>Tom &#38; <![CDATA["Co"]]></name><weight>1025</weight>
      <extra><x:other xmlns:x="urn:example:other"><x:deep k="v">text</x:deep></x:other></extra>
      <t:argument value="-x"/><rows> 3,0-2,5-7,^5,^6</rows><loud></loud><tag>a</tag><owner name="it's me"/>
      <age years="3"/>
      <wheel radius="5"><!-- round --></wheel><tag></tag><label name="toy0"/><mixed>/dev/<!-- -->zero</mixed>
      <blank/><note><note author="x"/></note></toy>"""
    toy = Toy.parse(shuffled)
    assert toy.wheels[0].spare is None
    toy.wheels[0].spare = True
    expected = Toy.parse(WHOLE)
    toy.extra = expected.extra
    assert toy == expected


REFUSED = [
    ("<toy colour='red' size='3'><name/></toy>", "/toy/@size", "unknown attribute 'size'"),
    ("<toy colour='red'><name/><lable name='x'/></toy>", "/toy/lable", "unknown element 'lable'"),
    ("<toy colour='green'><name/></toy>", "/toy/@colour", "Invalid value for attribute 'colour'"),
    ("<toy colour='red' power='yes'><name/></toy>", "/toy/@power", "'yes'"),
    ("<toy colour='red' serial='1234'><name/></toy>", "/toy/@serial", "'1234'"),
    ("<toy colour='red' motion='1_000'><name/></toy>", "/toy/@motion", "'1_000'"),
    ("<toy colour='red' motion='٣'><name/></toy>", "/toy/@motion", "Invalid value"),
    ("<toy colour='red' bit-mask='0x1ffffffff'><name/></toy>", "/toy/@bit-mask", "Invalid value"),
    ("<toy colour='red'><name/><weight unit='stone'>1</weight></toy>", "/toy/weight", "Invalid value"),
    ("<toy colour='red'><name/><weight unit='EiB'>99</weight></toy>", "/toy/weight", "Invalid value"),
    ("<toy colour='red'><name/><weight>-1</weight></toy>", "/toy/weight", "Invalid value"),
    ("<toy colour='red'><name/><weight until='1'>1</weight></toy>", "/toy/weight/@until", "unknown attribute"),
    ("<toy colour='red'><name/><rows>3-1</rows></toy>", "/toy/rows", "Invalid value"),
    ("<toy colour='red'><name/><rows>0-99999999</rows></toy>", "/toy/rows", "Invalid value"),
    ("<toy colour='red'><name/><loud>very</loud></toy>", "/toy/loud", "unexpected text"),
    ("<toy colour='red'><name/><loud level='1'/></toy>", "/toy/loud/@level", "unknown attribute"),
    ("<toy colour='red'><name/><loud><x/></loud></toy>", "/toy/loud/x", "unknown element"),
    ("<toy colour='red'><name/><owner/></toy>", "/toy/owner", "Missing required attribute 'name'"),
    ("<toy colour='red'><name/><owner name='a'>b</owner></toy>", "/toy/owner", "unexpected text"),
    ("<toy colour='red'><name><b/></name></toy>", "/toy/name/b", "unknown element"),
    ("<toy colour='red'><name/><name/></toy>", "/toy/name[2]", "more than once"),
    ("<toy><name/></toy>", "/toy", "Missing required attribute 'colour'"),
    ("<toy colour='red'/>", "/toy", "Missing required element 'name'"),
    ("<toy colour='red'>loose<name/></toy>", "/toy", "unexpected text"),
    ("<toy colour='red'><name/>loose</toy>", "/toy", "unexpected text"),
    ("<toy colour='red'><name/><wheel radius='1'/><wheel/></toy>", "/toy/wheel[2]", "'radius'"),
    ("<toy colour='red'><name/><place kind='roof'/></toy>", "/toy/place/@kind", "'roof'"),
    ("<toy colour='red'><name/><place/></toy>", "/toy/place", "'kind'"),
    ("<toy colour='red'><name/><place kind='shelf' number='1'/></toy>", "/toy/place/@number", "unknown attribute"),
    ("<toy colour='red'><name/><mixed>a<part>b</part></mixed></toy>", "/toy/mixed", "unexpected text"),
    ("<toy colour='red'><name/><extra>words</extra></toy>", "/toy/extra", "unexpected text"),
    ("<toy colour='red'><name/><argument value='x'/></toy>", "/toy/argument", "unknown element"),
    (
        "<toy colour='red' xmlns:o='urn:o'><name/><o:wheel radius='1'/></toy>",
        "/toy/o:wheel",
        "unknown element '{urn:o}wheel'",
    ),
    ("<toy colour='red' xmlns:o='urn:o' o:power='on'><name/></toy>", "/toy/@{urn:o}power", "unknown attribute"),
    ("<boy colour='red'/>", "/boy", "unexpected root element <boy>"),
]


@pytest.mark.parametrize(("document", "path", "words"), REFUSED, ids=[path for _, path, _ in REFUSED])
def test_whatever_is_not_declared_is_refused_by_its_path(document: str, path: str, words: str) -> None:
    with pytest.raises(XmlError) as refused:
        Toy.parse(document)
    assert refused.value.evidence["path"] == path
    assert refused.value.evidence["line"] == 1
    assert words in refused.value.message
    assert path in str(refused.value)


def test_the_line_and_a_near_name_are_told() -> None:
    with pytest.raises(XmlError) as refused:
        Toy.parse("<toy colour='red'>\n  <name/>\n  <lable name='x'/>\n</toy>")
    assert refused.value.evidence["line"] == 3
    assert refused.value.hint is not None
    assert "label" in refused.value.hint


def test_only_a_live_form_has_what_is_live() -> None:
    toy = Toy.parse("<toy colour='red' motion='1'><name>a</name><label name='toy0'/></toy>")
    assert toy.format(Form.INACTIVE) == "<toy colour='red'>\n  <name>a</name>\n</toy>\n"
    toy.label = "my-toy"
    assert "my-toy" in toy.format(Form.INACTIVE)
    assert toy.to_json(Form.INACTIVE) == {"colour": "red", "name": "a", "label": "my-toy"}


def test_secrets_are_written_only_on_request() -> None:
    toy = Toy.parse(WHOLE)
    assert "hush" not in toy.format()
    assert "hush" not in json.dumps(toy.to_json())
    assert "hush" in toy.format(secure=True)


def test_json_is_the_same_model() -> None:
    toy = Toy.parse(WHOLE)
    there = json.loads(json.dumps(toy.to_json(secure=True)))
    assert Toy.from_json(there) == toy
    jsonschema.Draft202012Validator(Toy.json_schema()).validate(there)


BAD_JSON: list[tuple[Any, str]] = [
    ({"colour": "red", "name": "a", "size": 1}, "/toy/size"),
    ({"colour": "green", "name": "a"}, "/toy/colour"),
    ({"name": "a"}, "/toy/colour"),
    ({"colour": "red", "name": 1}, "/toy/name"),
    ({"colour": "red", "name": "a\x01"}, "/toy/name"),
    ({"colour": "red", "name": "a", "power": "on"}, "/toy/power"),
    ({"colour": "red", "name": "a", "motion": True}, "/toy/motion"),
    ({"colour": "red", "name": "a", "motion": 2**70}, "/toy/motion"),
    ({"colour": "red", "name": "a", "loud": 1}, "/toy/loud"),
    ({"colour": "red", "name": "a", "wheels": {}}, "/toy/wheels"),
    ({"colour": "red", "name": "a", "wheels": [{"radius": 1}, {}]}, "/toy/wheels[2]/radius"),
    ({"colour": "red", "name": "a", "place": {"kind": "roof"}}, "/toy/place/kind"),
    ({"colour": "red", "name": "a", "place": {"kind": ["shelf"]}}, "/toy/place/kind"),
    ({"colour": "red", "name": "a", "mixed": {"path": "a", "parts": ["b"]}}, "/toy/mixed/parts"),
    ({"colour": "red", "name": "a", "extra": "<x/>"}, "/toy/extra"),
    ([], "/toy"),
]


@pytest.mark.parametrize(("value", "path"), BAD_JSON, ids=[f"{path} {value!r:.40}" for value, path in BAD_JSON])
def test_json_is_as_strict_as_xml(value: Any, path: str) -> None:
    with pytest.raises(XmlError) as refused:
        Toy.from_json(value)
    assert refused.value.evidence["path"] == path


def test_hostile_xml_within_json_is_refused() -> None:
    with pytest.raises(XmlError, match="document type"):
        Toy.from_json({"colour": "red", "name": "a", "extra": ['<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>']})


def test_json_that_nests_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"note": deep}
    with pytest.raises(XmlError, match="deeper"):
        Toy.from_json({"colour": "red", "name": "a", "note": deep})


def test_a_copy_is_deep() -> None:
    toy = Toy.parse(WHOLE)
    for twin in (toy.copy(), copy.copy(toy), copy.deepcopy(toy)):
        assert twin == toy
        twin.wheels[0].radius = 6
        twin.tags.append("new")
        twin.extra.clear()
        assert twin.note is not None
        twin.note.author = "y"
        assert toy == Toy.parse(WHOLE)
        assert twin != toy


def test_classes_differ_even_with_equal_values() -> None:
    assert Shelf(row=1) != Drawer(number=1)
    assert Blank() != Note()
    assert Blank() != "blank"


def test_the_constructor_knows_its_fields() -> None:
    with pytest.raises(TypeError, match="color"):
        Toy(color=Colour.RED, name="a")
    with pytest.raises(TypeError, match="colour"):
        Toy(name="a")


def test_lists_are_not_shared() -> None:
    Toy(colour=Colour.RED, name="a").tags.append("x")
    assert Toy(colour=Colour.RED, name="b").tags == []


def test_an_element_that_means_nothing_when_empty_is_left_out() -> None:
    toy = Toy(colour=Colour.RED, name="a", blank=Blank(), note=Note(), mixed=Mixed())
    assert toy.format() == "<toy colour='red'>\n  <name>a</name>\n  <note/>\n</toy>\n"


def test_text_that_xml_cannot_carry_is_refused_when_written() -> None:
    with pytest.raises(XmlError):
        Toy(colour=Colour.RED, name="a\x00b").format()


def test_line_breaks_survive_in_attributes() -> None:
    toy = Toy(colour=Colour.RED, name="a\r\n\tb", owner="x\n\t\ry")
    assert Toy.parse(toy.format()) == toy


def test_a_declaration_that_hides_a_method_is_a_defect() -> None:
    class Bad(Element, tag="bad"):
        format: str = attribute()

    with pytest.raises(TypeError, match="hides"):
        Bad.plan()


def test_a_type_without_a_spelling_is_a_defect() -> None:
    class Bad(Element, tag="bad"):
        value: object = attribute()

    with pytest.raises(TypeError, match="no way to write"):
        Bad.plan()


def test_children_must_be_a_list() -> None:
    class Bad(Element, tag="bad"):
        value: str = children()

    with pytest.raises(TypeError, match="list"):
        Bad.plan()


def test_repr_says_what_is_set() -> None:
    assert repr(Shelf(row=3)) == "Shelf(row=3)"


def test_unused_declarations_can_be_given_a_default() -> None:
    class Lamp(Element, tag="lamp"):
        watt: int = attribute(default=40)
        shade: str | None = child()

    assert Lamp.parse("<lamp/>").watt == 40
    assert Lamp().format() == "<lamp watt='40'/>\n"
