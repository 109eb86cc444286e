"""Golden documents: what is read is written again, byte for byte, and no declared field goes untested.

`golden/vocabulary` holds a document per device kind with every attribute and element that it has; `golden/guests`
pairs of what a user wrote (NAME.in.xml) and what a domain becomes of it (NAME.out.xml).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from uuid import UUID

import jsonschema
import pytest

from virtbus.domain import Devices, Domain, Form, check, complete, parse_device
from virtbus.domain.devices import KINDS
from virtbus.domain.status import Status
from virtbus.xml import Element
from virtbus.xml.part import ElementPart, ListPart

GOLDEN = Path(__file__).parent / "golden"
VOCABULARY = sorted((GOLDEN / "vocabulary").glob("*.xml"))
GUESTS = sorted((GOLDEN / "guests").glob("*.in.xml"))


def read(path: Path) -> Element:
    """The domain or the device that a golden file describes."""
    text = path.read_text()
    return Domain.parse(text) if text.lstrip().startswith("<domain") else parse_device(text)


def names(paths: list[Path]) -> list[str]:
    return [path.name.partition(".")[0] for path in paths]


@pytest.mark.parametrize("path", VOCABULARY, ids=names(VOCABULARY))
def test_every_word_of_the_vocabulary_is_written_as_it_was_read(path: Path) -> None:
    assert read(path).format(Form.LIVE, secure=True) == path.read_text()


@pytest.mark.parametrize("path", [*VOCABULARY, *GUESTS], ids=names([*VOCABULARY, *GUESTS]))
def test_json_is_the_same_model_as_xml(path: Path) -> None:
    model = read(path) if path in VOCABULARY else Domain.parse(path.read_bytes())
    there = json.loads(json.dumps(model.to_json(secure=True)))
    assert type(model).from_json(there) == model
    if not isinstance(model, Domain):
        jsonschema.Draft202012Validator(type(model).json_schema()).validate(there)


def test_the_json_schema_accepts_a_whole_domain() -> None:
    schema = Domain.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    domain = Domain.parse((GOLDEN / "vocabulary" / "domain.xml").read_text())
    jsonschema.Draft202012Validator(schema).validate(domain.to_json(secure=True))


@pytest.mark.parametrize("path", GUESTS, ids=names(GUESTS))
def test_a_guest_becomes_what_libvirt_would_make_of_it(path: Path) -> None:
    domain = Domain.parse(path.read_bytes())
    complete(domain, renew=True)
    check(domain)
    expected = path.with_name(path.name.replace(".in.", ".out.")).read_text()
    assert domain.format() == expected
    again = Domain.parse(expected)
    complete(again)
    assert again.format() == expected


def walk(model: Element) -> Iterator[Element]:
    """The model and every element in it."""
    yield model
    for value in vars(model).values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Element):
                yield from walk(each)


def reachable(kind: type[Element], found: set[type[Element]]) -> set[type[Element]]:
    """Every element class that a document of this class can contain."""
    if kind in found:
        return found
    plan = kind.plan()
    if plan.variants:
        for variant in plan.variants.values():
            reachable(variant, found)
        return found
    found.add(kind)
    for part in plan.child_parts:
        item = part.item if isinstance(part, ListPart) else part
        if isinstance(item, ElementPart):
            reachable(item.kind, found)
    return found


def is_the_only_member(value: object) -> bool:
    return isinstance(value, Enum) and len(type(value)) == 1


def test_no_declared_field_is_left_untested() -> None:
    said: set[tuple[type[Element], str]] = set()
    for model in [*map(read, VOCABULARY), Status.parse((GOLDEN / "status.xml").read_text())]:
        for element in walk(model):
            blank = type(element).plan().fresh()
            said |= {
                (type(element), name)
                for name, value in vars(element).items()
                if value != blank[name] or name == element.chosen_by or is_the_only_member(value)
            }
    in_files_of_their_own = {(Devices, name) for name, _, _ in KINDS}
    declared = {(kind, part.name) for kind in reachable(Status, set()) for part in kind.plan().parts}
    declared = {(kind, name) for kind, name in declared if kind.__module__.startswith("virtbus.domain")}
    declared -= in_files_of_their_own
    untested = sorted(f"{kind.__module__}.{kind.__qualname__}.{name}" for kind, name in declared - said)
    assert untested == []


def test_every_device_kind_has_a_document_of_its_own() -> None:
    models = [read(path) for path in VOCABULARY]
    assert [kind.__name__ for _, _, kind in KINDS if not any(isinstance(model, kind) for model in models)] == []


def test_the_uuid_of_a_guest_is_libvirts_spelling() -> None:
    domain = Domain.parse((GOLDEN / "guests" / "web.in.xml").read_bytes())
    assert domain.uuid == UUID("8d1c1d5e-6e6c-4e1b-9a5f-0a1b2c3d4e5f")
