"""An operation's arguments out of a request: from its path, its query string and its body."""

from __future__ import annotations

import json
import re
from typing import Any, get_origin
from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request

from virtbus.errors import InvalidArgument, VirtbusError
from virtbus.operations import Kind, Operation
from virtbus.operations.fields import MAX_DOCUMENT
from virtbus_gateway.documents import read_document, too_large
from virtbus_gateway.http.problems import invalid_arguments

XML_MEDIA = frozenset({"application/xml", "text/xml"})
JSON_MEDIA = "application/json"
JSON_LIMIT = 2 * MAX_DOCUMENT
"""Bytes of a JSON body: a document in it takes more room than as XML."""
RESERVED = frozenset({"timeout"})
"""Names in the query string of a change or a query that are not arguments."""
PLACES = re.compile(r"\{(\w+)\}")
HAS_BODY = frozenset({"POST", "PUT", "PATCH"})

Arguments = dict[str, Any]


def method_and_path(operation: type[Operation[Any]]) -> tuple[str, str]:
    """Where an operation stands in HTTP."""
    method, _, path = operation.http.partition(" ")
    return method, path


def path_fields(path: str) -> list[str]:
    """The fields that a path holds."""
    return PLACES.findall(path)


def field_names(operation: type[Operation[Any]]) -> dict[str, str]:
    """How each field is called outside, to its own name."""
    return {field.alias or name: name for name, field in operation.model_fields.items()}


def lists_of(operation: type[Operation[Any]]) -> frozenset[str]:
    """The fields that may come several times in a query string, by the name outside."""
    return frozenset(
        field.alias or name
        for name, field in operation.model_fields.items()
        if get_origin(field.annotation) is list
    )


async def read_body(request: Request, limit: int) -> bytes:
    """The body, read only as far as it may be long.

    :raises TooLarge: it is longer than `limit` bytes.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large(int(announced), limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(size, limit)
        parts.append(part)
    return b"".join(parts)


def media_of(request: Request) -> str:
    """The body's media type, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_arguments(operation: type[Operation[Any]], request: Request, job_id: str | None) -> Operation[Any]:
    """The operation that a request asks for.

    :param job_id: of the job it will be, for a document that lacks a UUID.
    :raises InvalidArgument: an argument is unknown, missing, wrong or said twice.
    :raises XmlError, TooLarge: the document is refused.
    """
    arguments = _from_query(operation, request)
    if request.method in HAS_BODY:
        _join(arguments, await _from_body(operation, request, arguments, job_id))
    _join(arguments, dict(request.path_params))
    try:
        return operation.model_validate(arguments)
    except ValidationError as error:
        refusal: VirtbusError = invalid_arguments(error)
        raise refusal from None


def _from_query(operation: type[Operation[Any]], request: Request) -> Arguments:
    many = lists_of(operation)
    arguments: Arguments = {}
    for name in request.query_params:
        if name in RESERVED and operation.kind is not Kind.RECORD:
            continue
        values = request.query_params.getlist(name)
        if name in many:
            arguments[name] = values
        elif len(values) > 1:
            raise InvalidArgument(f"{name} is said {len(values)} times")
        else:
            arguments[name] = values[0]
    return arguments


async def _from_body(
    operation: type[Operation[Any]], request: Request, arguments: Arguments, job_id: str | None
) -> Arguments:
    media = media_of(request)
    if operation.body is not None and media in XML_MEDIA:
        body = await read_body(request, MAX_DOCUMENT)
        return _document(operation, arguments, job_id, xml=body)
    body = await read_body(request, JSON_LIMIT)
    if not body:
        if operation.body is None:
            return {}
        raise InvalidArgument("a document is needed", hint="send libvirt's XML with Content-Type: application/xml")
    if media != JSON_MEDIA:
        known = f"application/xml or {JSON_MEDIA}" if operation.body else JSON_MEDIA
        raise InvalidArgument(f"the body's type is {media or 'not said'}", hint=f"send it as {known}")
    said = _json(body)
    if operation.body is None:
        return said
    xml, model = said.pop(operation.body, None), said.pop("document", None)
    if xml is not None and not isinstance(xml, str):
        raise InvalidArgument(f"{operation.body}: a string is expected")
    if model is not None and not isinstance(model, dict):
        raise InvalidArgument("document: an object is expected")
    return said | _document(operation, {**arguments, **said}, job_id, xml=xml, model=model)


def _json(body: bytes) -> Arguments:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else str(error)
        raise InvalidArgument(f"the body is not JSON: {why}") from None
    if not isinstance(said, dict):
        raise InvalidArgument("the body is not a JSON object")
    return said


def _document(
    operation: type[Operation[Any]], said: Arguments, job_id: str | None, *,
    xml: str | bytes | None = None, model: Arguments | None = None,
) -> Arguments:  # fmt: skip
    """The fields that a document fills: its text, and a domain's UUID where the operation takes it from there."""
    assert operation.body is not None
    made = "domain" in operation.model_fields and not operation.model_fields["domain"].is_required()
    uuid = _uuid(said.pop("domain", None)) if made else None
    found = read_document(
        operation, xml=xml, model=model, made_from=UUID(job_id) if job_id else None, domain=uuid
    )  # fmt: skip
    return {operation.body: found.xml, "domain": found.uuid} if made else {operation.body: found.xml}


def _uuid(text: Any) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise InvalidArgument("domain: a UUID is expected") from None


def _join(arguments: Arguments, more: Arguments) -> None:
    twice = arguments.keys() & more.keys()
    if twice:
        raise InvalidArgument(f"said twice, in different places: {', '.join(sorted(twice))}")
    arguments.update(more)
