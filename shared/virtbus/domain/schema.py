"""JSON Schema of the documents that the API takes and gives as JSON: a domain, and a device of any kind."""

from __future__ import annotations

from typing import Any

from virtbus.domain.devices import BY_TAG
from virtbus.domain.domain import Domain
from virtbus.xml import schema
from virtbus.xml.part import Definitions

KIND = "kind"
"""The key that says which device an object is: its element's name."""


def domain_schema(definitions: Definitions) -> dict[str, Any]:
    """The schema of a domain; what it refers to goes to the definitions."""
    return Domain.define_schema(definitions)


def device_schema(definitions: Definitions) -> dict[str, Any]:
    """The schema of a device, which says in `kind` which one it is; what it refers to goes to the definitions."""
    kinds = []
    for tag, kind in BY_TAG.items():
        name = f"device.{tag}"
        definitions[name] = schema.named(kind, KIND, tag, definitions)
        kinds.append({"$ref": schema.REFERENCE + name})
    definitions["device.Document"] = {
        "description": "A device of any kind.",
        "oneOf": kinds,
    }
    return {"$ref": f"{schema.REFERENCE}device.Document"}


SCHEMAS = {"domain": domain_schema, "device": device_schema}
"""What makes the schema of each document, by the document's name."""
