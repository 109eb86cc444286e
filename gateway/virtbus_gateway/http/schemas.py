"""JSON Schema of the documents: at addresses of their own, and among the components of the OpenAPI document."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from virtbus.errors import NotFound

SCHEMA_MEDIA = "application/schema+json"
PATH = "/v1/schemas/{document}"
DOCUMENTS = {"domain": "domain.Domain", "device": "device.Document"}
"""The documents that have a schema, with the definition that each is."""

Schema = dict[str, Any]


@cache
def schema_of(name: str) -> bytes:
    """The whole schema of a document, as JSON.

    :raises NotFound: there is no such document.
    """
    # Loaded at first use: a gateway that is only read from need not hold the vocabulary in memory.
    from virtbus.domain.schema import SCHEMAS
    from virtbus.xml import schema

    if name not in DOCUMENTS:
        raise NotFound(f"no document is named {name[:80]!r}", hint=f"there are {', '.join(DOCUMENTS)}")
    definitions: Schema = {}
    return json.dumps(schema.document(SCHEMAS[name](definitions), definitions)).encode()


def components(reference: str) -> Schema:
    """The definitions of all documents, for an OpenAPI document.

    :param reference: how the document refers to a component, with {model} for its name.
    """
    from virtbus.domain.schema import SCHEMAS

    definitions: Schema = {}
    for make in SCHEMAS.values():
        make(definitions)
    moved: Schema = _moved(definitions, reference)
    return moved


def _moved(node: Any, reference: str) -> Any:
    """The same with references that lead to components."""
    from virtbus.xml.schema import REFERENCE

    if isinstance(node, list):
        return [_moved(each, reference) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: reference.format(model=value.removeprefix(REFERENCE))
        if key == "$ref" and isinstance(value, str)
        else _moved(value, reference)
        for key, value in node.items()
    }


async def schema(request: Request) -> Response:
    """The schema of a document."""
    return Response(schema_of(request.path_params["document"]), media_type=SCHEMA_MEDIA)


def install(app: FastAPI) -> None:
    """Give the app these addresses."""
    app.router.add_api_route(PATH, schema, methods=["GET"], name="schemas", include_in_schema=False)
