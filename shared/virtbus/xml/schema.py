"""JSON Schema (draft 2020-12) of models, from their declarations: what `to_json` writes and `from_json` reads."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from virtbus.xml.form import notes_are_read
from virtbus.xml.part import Definitions, Part

if TYPE_CHECKING:
    from virtbus.xml.element import Element

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/"

LIVE = "Only a running object has it."


def document(root: dict[str, Any], definitions: Definitions) -> dict[str, Any]:
    """A whole schema: its root, with the definitions that it refers to."""
    return {"$schema": DIALECT, **root, "$defs": definitions}


def reference(kind: type[Element], definitions: Definitions) -> dict[str, Any]:
    """Add a class's schema to the definitions, if it is not there; returns the reference to it."""
    name = f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}"
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = describe(kind, definitions)
    return {"$ref": REFERENCE + name}


def describe(kind: type[Element], definitions: Definitions) -> dict[str, Any]:
    """The schema of a class itself; those of its children go to the definitions."""
    plan = kind.plan()
    about = {"description": kind.__doc__.strip().splitlines()[0]} if kind.__doc__ else {}
    if plan.variants:
        return {**about, "oneOf": [each.define_schema(definitions) for each in plan.variants.values()]}
    parts = [part for part in plan.parts if not part.private or notes_are_read()]
    result: dict[str, Any] = {
        **about,
        "type": "object",
        "properties": {part.name: _property(kind, part, definitions) for part in parts},
        "additionalProperties": False,
    }
    required = list(plan.required)
    if plan.chosen_by is not None and plan.chosen_when is not None:
        result["properties"][plan.chosen_by] = {"const": plan.chosen_when}
        required.append(plan.chosen_by)
    if required:
        result["required"] = required
    return result


def named(kind: type[Element], key: str, name: str, definitions: Definitions) -> dict[str, Any]:
    """The schema of a class whose objects say in one key more, `key`, which class they are of."""
    variants = kind.plan().variants
    if variants:
        return {"oneOf": [named(each, key, name, definitions) for each in variants.values()]}
    schema = describe(kind, definitions)
    schema["properties"] = {key: {"const": name}, **schema["properties"]}
    schema["required"] = [key, *schema.get("required", [])]
    return schema


def _property(kind: type[Element], part: Part, definitions: Definitions) -> dict[str, Any]:
    schema = dict(part.schema(definitions))
    said = [schema.get("description"), _note(kind, part.name), LIVE if part.live is True else None]
    if words := " ".join(filter(None, said)):
        schema["description"] = words
    if part.secret:
        schema["writeOnly"] = True
    return schema


def _note(kind: type[Element], name: str) -> str | None:
    """The docstring beneath a field, in the class that declares it."""
    for owner in kind.__mro__:
        if name in vars(owner):
            return _notes(owner.__module__).get((owner.__qualname__, name))
    return None


@cache
def _notes(module: str) -> dict[tuple[str, str], str]:
    """The docstrings beneath fields by class and field; none where the source is not installed."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except OSError:
        return {}
    found = {}
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        for field, note in zip(owner.body, owner.body[1:], strict=False):
            match field, note:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as words)):
                    found[owner.name, name] = " ".join(words.split())
    return found
