"""HTTP's routes, made from the declarations of the operations.

Every request goes the same way: who asks (401), may such a one (403), what exactly is asked (400, 413), then what its
kind says: a job is accepted, a query asked, a record read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from virtbus.errors import InvalidArgument, NoDomain, VirtbusError
from virtbus.operations import OPERATIONS, Kind, Operation
from virtbus.operations.job import CancelJob
from virtbus.records import JobRecord
from virtbus_gateway.auth import Principal, authorize
from virtbus_gateway.gateway import Caller, Gateway
from virtbus_gateway.http.arguments import JSON_MEDIA, method_and_path, read_arguments
from virtbus_gateway.http.preferences import Preferences, preferences_of
from virtbus_gateway.http.trace import traceparent_of
from virtbus_gateway.reads import DOCUMENT_AS_JSON, READS

OF_A_HOST = "/v1/hosts/{host}/domains/{domain}"
SHORTHAND = "/v1/domains/{domain}"
"""The same without the host, which is looked up."""
HIDDEN = {"arguments", "digest", "begun"}
"""Of a job's record: arguments may hold secrets, the others are between gateway and worker."""
EXTENSIONS = {"image/png": "png", "application/xml": "xml"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way."""

    gateway: Gateway
    request: Request
    caller: Caller
    preferences: Preferences
    operation: Operation[Any]
    job_id: str


def gateway_of(request: Request) -> Gateway:
    """The gateway behind the app."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def authenticate(request: Request, permission: str) -> Principal:
    """Who asks, if such a one may.

    :raises Unauthenticated, Forbidden: no.
    """
    principal = gateway_of(request).tokens.authenticate(request.headers.get("authorization"))
    authorize(principal, permission, host=request.path_params.get("host"))
    return principal


def address_of(request: Request) -> str:
    """The client's address."""
    return request.client.host if request.client else ""


def job_response(record: JobRecord, preferences: Preferences, *, root: str = "") -> Response:
    """A job as the answer to a change: 200 once it has ended, else 202."""
    headers = {"Location": f"{root}/v1/jobs/{record.id}"}
    if preferences.applied:
        headers["Preference-Applied"] = preferences.applied
    if not record.state.ended:
        headers["Retry-After"] = "1"
    body = record.model_dump_json(exclude=HIDDEN)
    return Response(body, 200 if record.state.ended else 202, headers, JSON_MEDIA)


async def _job(asked: Asked) -> Response:
    record = await asked.gateway.carry_out(asked.caller, asked.operation, asked.preferences.wait, asked.job_id)
    return job_response(record, asked.preferences)


async def _query(asked: Asked) -> Response:
    return _answer(asked.operation, await asked.gateway.ask(asked.caller, asked.operation))


async def _record(asked: Asked) -> Response:
    if asked.operation.name in DOCUMENT_AS_JSON and _prefers_json(asked.request):
        shown = await DOCUMENT_AS_JSON[asked.operation.name](asked.gateway, asked.caller.principal, asked.operation)
        return Response(shown, media_type=JSON_MEDIA)
    read = await READS[asked.operation.name](asked.gateway, asked.caller.principal, asked.operation)
    return Response(read, media_type=JSON_MEDIA) if isinstance(read, bytes) else _answer(asked.operation, read)


async def _own(asked: Asked) -> Response:
    assert isinstance(asked.operation, CancelJob)
    record = await asked.gateway.cancel(asked.caller, asked.operation)
    if asked.preferences.wait and not record.state.ended:
        record = await asked.gateway.jobs.ended(record.id, asked.preferences.wait, asked.gateway.closing)
    return job_response(record, asked.preferences)


BY_KIND: dict[Kind, Callable[[Asked], Awaitable[Response]]] = {
    Kind.JOB: _job,
    Kind.QUERY: _query,
    Kind.RECORD: _record,
    Kind.GATEWAY: _own,
}


def _answer(operation: Operation[Any], result: BaseModel) -> Response:
    if operation.media is not None:
        content: str | bytes = getattr(result, "content")  # noqa: B009  declared by every result with a media type
        return Response(content, media_type=operation.media)
    exclude = HIDDEN if isinstance(result, JobRecord) else None
    return Response(result.model_dump_json(exclude=exclude), media_type=JSON_MEDIA)


def _prefers_json(request: Request) -> bool:
    """Whether a document is asked for as JSON of the same model."""
    accept = request.headers.get("accept", "")
    return JSON_MEDIA in accept and "xml" not in accept


def _endpoint(operation: type[Operation[Any]]) -> Callable[[Request], Awaitable[Response]]:
    carry_out = BY_KIND[operation.kind]
    placed = "{domain}" in operation.http

    async def answer(request: Request) -> Response:
        gateway = gateway_of(request)
        principal = authenticate(request, operation.permission)
        preferences = preferences_of(request)
        caller = Caller(
            principal,
            address_of(request),
            traceparent_of(request),
            preferences.key,
            preferences.timeout,
        )
        job_id = caller.job_id()
        if placed:
            await _place(gateway, principal, request, operation, job_id if preferences.key else None)
        asked = await read_arguments(operation, request, job_id)
        return await carry_out(Asked(gateway, request, caller, preferences, asked, job_id))

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except VirtbusError as error:
            # What was refused before anybody looked at a host is of the one in the address all the same.
            place = request.path_params
            error.at(place.get("host"), place.get("domain"))
            raise

    return endpoint


async def _place(
    gateway: Gateway, principal: Principal, request: Request, operation: type[Operation[Any]], repeated: str | None
) -> None:
    """Find a domain's host where the address leaves it out, and refuse what is out of the token's reach, before
    anything of the body is read.

    :param repeated: the job's id where the request may be a repeat: its domain may be gone meanwhile.
    """
    try:
        domain = UUID(request.path_params["domain"])
    except ValueError:
        raise InvalidArgument(
            f"a domain is addressed by its UUID, not by {request.path_params['domain'][:80]!r}",
            hint="GET /v1/domains?name=NAME finds the UUID of a name",
        ) from None
    if "host" not in request.path_params:
        try:
            request.path_params["host"] = await gateway.host_of(principal, domain)
        except NoDomain:
            known = None if repeated is None else gateway.jobs.host_of(repeated)
            if known is None:
                raise
            request.path_params["host"] = known
    host = request.path_params["host"]
    seen = gateway.inventory.domain(host, domain)
    authorize(principal, operation.permission, host, None if seen is None else seen.project)


def install(app: FastAPI) -> None:
    """Give the app a route for every operation, and the shorthand of every route to a domain."""
    # Longer paths first, and fixed words before fields: `/domains:create` is no `/domains/{domain}`.
    for operation in sorted(OPERATIONS.values(), key=lambda one: (one.http.count("{"), one.http)):
        method, path = method_and_path(operation)
        paths = [path]
        if path.startswith(OF_A_HOST):
            paths.append(SHORTHAND + path.removeprefix(OF_A_HOST))
        for each in paths:
            app.router.add_api_route(
                each, _endpoint(operation), methods=[method], name=operation.name, include_in_schema=False
            )
