"""The OpenAPI 3.1 document, made from the same declarations as the routes, when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from virtbus.operations import OPERATIONS, Kind, Operation
from virtbus.records import Event, JobRecord
from virtbus_gateway.http.arguments import (
    HAS_BODY,
    JSON_MEDIA,
    field_names,
    lists_of,
    method_and_path,
    path_fields,
)
from virtbus_gateway.http.preferences import MAX_TIMEOUT, MAX_WAIT
from virtbus_gateway.http.problems import MEDIA, Problem
from virtbus_gateway.http.routes import HIDDEN, OF_A_HOST, SHORTHAND
from virtbus_gateway.http.schemas import DOCUMENTS, PATH, SCHEMA_MEDIA, components
from virtbus_gateway.http.sse import EventFilter
from virtbus_gateway.http.whoami import PATH as WHOAMI
from virtbus_gateway.http.whoami import Identity

REFERENCE = "#/components/schemas/{model}"
Schema = dict[str, Any]

TAGS = {
    "host": "Hypervisor hosts of the fleet.",
    "domain": "Domains: their life, definition, size and figures.",
    "device": "A domain's devices, addressed by alias.",
    "snapshot": "Points in a domain's life that it can be taken back to.",
    "storage": "What a hypervisor keeps disks in.",
    "network": "What network cards are connected to.",
    "job": "Changes that were asked for: each has exactly one end.",
    "qemu": "What only QEMU has.",
    "event": "What happened.",
    "service": "The gateway itself.",
}

EXAMPLE_DOMAIN = (
    "<domain type='kvm'><name>web-1</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
)
EXAMPLE_DEVICE = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/extra.qcow2'/>"
    "<target dev='vdb' bus='virtio'/><alias name='ua-extra'/></disk>"
)

HEADERS: dict[str, Schema] = {
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": f"`wait=N` waits up to N seconds (at most {MAX_WAIT:.0f}) for the job's end; "
        "`timeout=N` is the job's time limit.",
        "schema": {"type": "string"},
        "example": "wait=60",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A repeat with the same key gives the same job; with another request it is refused (422).",
        "schema": {"type": "string", "maxLength": 255},
    },
    "Timeout": {
        "name": "timeout",
        "in": "query",
        "description": "Seconds: the time limit. Without it, the operation's own.",
        "schema": {"type": "number", "minimum": 1, "maximum": MAX_TIMEOUT},
    },
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the last event seen: the stream goes on behind it.",
        "schema": {"type": "string"},
    },
}
OPEN: list[Schema] = []
"""The security of an address that needs no token."""


def document() -> Schema:
    """The whole document."""
    models = {model.__name__: model for model in _models()}
    references, definitions = models_json_schema(
        [(model, "serialization") for model in models.values()], ref_template=REFERENCE
    )
    schemas: Schema = dict(definitions.get("$defs", {}))
    names = {
        model.__name__: schema["$ref"].rpartition("/")[2]
        for (model, _), schema in references.items()
        if "$ref" in schema
    }
    for hidden in HIDDEN:
        schemas[names["JobRecord"]]["properties"].pop(hidden)
    schemas |= components(REFERENCE)
    paths: Schema = {}
    for operation in OPERATIONS.values():
        method, path = method_and_path(operation)
        paths.setdefault(path, {})[method.lower()] = _operation(operation, path, names, schemas, operation.name)
        if path.startswith(OF_A_HOST):
            short = SHORTHAND + path.removeprefix(OF_A_HOST)
            about = _operation(operation, short, names, schemas, f"{operation.name}.anywhere")
            paths.setdefault(short, {})[method.lower()] = about
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Virtbus",
            "version": version("virtbus"),
            "summary": "A control plane for a fleet of virtualization hosts, in libvirt's vocabulary.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{"token": []}],
        "paths": paths | _by_hand(schemas, names),
        "components": {
            "schemas": schemas,
            "parameters": HEADERS,
            "responses": {"Problem": _problem(names)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models() -> Iterable[type[BaseModel]]:
    yield from (Problem, JobRecord, Event, Identity)
    yield from (operation.result for operation in OPERATIONS.values())


def _operation(operation: type[Operation[Any]], path: str, names: Schema, schemas: Schema, called: str) -> Schema:
    method, _ = method_and_path(operation)
    outside = {inner: outer for outer, inner in field_names(operation).items()}
    fields = _fields(operation, schemas)
    in_path = path_fields(path)
    # A domain's host is looked up where the address leaves it out.
    looked_up = {"host"} if "{host}" in operation.http and "host" not in in_path else set()
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": fields[name]} for name in in_path
    ]
    rest = {outside[name]: name for name in operation.model_fields if name not in in_path and name not in looked_up}
    has_body = method in HAS_BODY and bool(rest)
    in_query = {outer for outer, inner in rest.items() if not has_body or (operation.body and inner != operation.body)}
    many = lists_of(operation)
    required = {outer for outer, inner in rest.items() if operation.model_fields[inner].is_required()}
    parameters += [
        {
            "name": name,
            "in": "query",
            "schema": fields[name],
            **({"required": True} if name in required else {}),
            **({"style": "form", "explode": True} if name in many else {}),
        }
        for name in sorted(in_query)
    ]
    if operation.kind in (Kind.JOB, Kind.QUERY):
        parameters.append({"$ref": "#/components/parameters/Timeout"})
    if operation.kind in (Kind.JOB, Kind.GATEWAY):
        parameters.append({"$ref": "#/components/parameters/Prefer"})
    if operation.kind is Kind.JOB:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    about: Schema = {
        "operationId": called,
        "tags": [operation.name.partition(".")[0]],
        "summary": operation.summary(),
        "description": f"Needs the permission `{operation.permission}`."
        + (f" A worker offers it with the facet {operation.facet}." if operation.facet else ""),
        "parameters": parameters,
        "responses": _responses(operation, names),
    }
    if has_body:
        about["requestBody"] = _body(operation, {name: fields[name] for name in rest}, sorted(required))
    return about


def _fields(operation: type[Operation[Any]], schemas: Schema) -> Schema:
    """The schemas of an operation's fields, by the name outside; what they refer to goes to the components."""
    schema = operation.model_json_schema(ref_template=REFERENCE)
    for name, definition in schema.pop("$defs", {}).items():
        schemas.setdefault(name, definition)
    fields: Schema = schema["properties"]
    return fields


def _body(operation: type[Operation[Any]], fields: Schema, required: list[str]) -> Schema:
    if operation.body is None:
        schema = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
        return {"required": bool(required), "content": {JSON_MEDIA: {"schema": schema}}}
    of_domain = operation.name.startswith("domain.")
    example = EXAMPLE_DOMAIN if of_domain else EXAMPLE_DEVICE
    either = {
        **fields,
        operation.body: {"type": "string", "description": "libvirt's XML."},
        "document": _document(operation),
    }
    choice = [{"required": [operation.body]}, {"required": ["document"]}]
    as_json = {"type": "object", "properties": either, "oneOf": choice, "additionalProperties": False}
    return {
        "required": True,
        "content": {
            "application/xml": {"schema": {"type": "string"}, "example": example},
            JSON_MEDIA: {"schema": as_json, "example": {operation.body: example}},
        },
    }


def _document(operation: type[Operation[Any]]) -> Schema:
    """The JSON form of an operation's document."""
    name = DOCUMENTS.get(operation.name.partition(".")[0])
    same = {"description": "The same model as JSON."}
    return same | ({"type": "object"} if name is None else {"$ref": REFERENCE.format(model=name)})


def _responses(operation: type[Operation[Any]], names: Schema) -> Schema:
    default = {"default": {"$ref": "#/components/responses/Problem"}}
    if operation.kind in (Kind.JOB, Kind.GATEWAY):
        job = {JSON_MEDIA: {"schema": _job_schema(operation, names)}}
        where = {"Location": {"description": "The job.", "schema": {"type": "string"}}}
        return {
            "200": {"description": "The job has ended: it has a `result` or an `error`.", "headers": where,
                    "content": job},
            "202": {"description": "The job is accepted.", "headers": where, "content": job},
            **default,
        }  # fmt: skip
    shown: Schema = {"schema": {"$ref": REFERENCE.format(model=names[operation.result.__name__])}}
    if operation.media is not None:
        shown = {"schema": {"type": "string", "contentMediaType": operation.media}}
    return {"200": {"description": "As asked.", "content": {operation.media or JSON_MEDIA: shown}}, **default}


def _job_schema(operation: type[Operation[Any]], names: Schema) -> Schema:
    """A job's record with the result that the operation leaves."""
    record = {"$ref": REFERENCE.format(model=names["JobRecord"])}
    if operation.kind is Kind.GATEWAY:
        return record
    result = {"$ref": REFERENCE.format(model=names[operation.result.__name__])}
    return {"allOf": [record, {"properties": {"result": {"anyOf": [result, {"type": "null"}]}}}]}


def _problem(names: Schema) -> Schema:
    schema = {"$ref": REFERENCE.format(model=names["Problem"])}
    return {"description": "It was refused or went wrong.", "content": {MEDIA: {"schema": schema}}}


def _by_hand(schemas: Schema, names: Schema) -> Schema:
    """The addresses that are no operations."""
    wanted = EventFilter.model_json_schema(ref_template=REFERENCE)
    for name, definition in wanted.pop("$defs", {}).items():
        schemas.setdefault(name, definition)
    parameters: list[Schema] = [
        {"name": name, "in": "query", "schema": schema} for name, schema in wanted["properties"].items()
    ]
    events = {
        "operationId": "events",
        "tags": ["event"],
        "summary": "Follow the fleet's events.",
        "description": "Server-sent events: `id` is the cursor, `event` the kind, `data` an Event as JSON. A cursor "
        "that is too old or foreign gives one event of kind `gap` first. Needs the permission `event:read`.",
        "parameters": [*parameters, {"$ref": "#/components/parameters/LastEventId"}],
        "responses": {
            "200": {
                "description": "An endless stream.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    schema = _plain("/v1/schemas", "JSON Schema of a domain or a device as JSON.", SCHEMA_MEDIA, OPEN)
    schema["operationId"] = "schemas"
    schema["parameters"] = [
        {"name": "document", "in": "path", "required": True, "schema": {"type": "string", "enum": list(DOCUMENTS)}}
    ]
    whoami = _plain(WHOAMI, "Whose token it is, and what it may do.", JSON_MEDIA, None)
    whoami["operationId"] = "whoami"
    whoami["responses"]["200"]["content"][JSON_MEDIA]["schema"] = {"$ref": REFERENCE.format(model=names["Identity"])}
    return {"/v1/events": {"get": events}, WHOAMI: {"get": whoami}, PATH: {"get": schema}} | {
        path: {"get": _plain(path, summary, media, security)} for path, summary, media, security in SERVICE
    }


SERVICE: tuple[tuple[str, str, str, list[Schema] | None], ...] = (
    ("/healthz", "Whether the process answers.", JSON_MEDIA, OPEN),
    ("/readyz", "Whether the bus is connected and the inventory complete.", JSON_MEDIA, OPEN),
    ("/metrics", "Prometheus metrics of the gateway, the hosts and their domains.", "text/plain", None),
    ("/asyncapi.json", "The contract of the bus, as AsyncAPI 3.", JSON_MEDIA, OPEN),
    ("/openapi.json", "This document.", JSON_MEDIA, OPEN),
)


def _plain(path: str, summary: str, media: str, security: list[Schema] | None) -> Schema:
    about: Schema = {
        "operationId": path[1:].partition(".")[0],
        "tags": ["service"],
        "summary": summary,
        "responses": {
            "200": {"description": "As asked.", "content": {media: {"schema": {}}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    return about if security is None else about | {"security": security}
