"""Errors as HTTP shows them: problem documents (RFC 9457), one translation for everything that can go wrong."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from virtbus.errors import InternalError, InvalidArgument, NotFound, Unauthenticated, Unavailable, VirtbusError

MEDIA = "application/problem+json"
URN = "urn:virtbus:error:"


class Problem(BaseModel):
    """What went wrong, where, and what can be done."""

    type: str = Field(examples=["urn:virtbus:error:NoDomain"])
    """`urn:virtbus:error:` and the error's kind."""
    title: str = Field(examples=["No domain of that UUID or name"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["host lab-1, domain 6695eb01-f6a4-8304-79aa-97f2502e193f: no such domain"])
    """What was asked, of which host and domain, and what was answered."""
    code: int = Field(examples=[42])
    """libvirt's virErrorNumber."""
    code_name: str = Field(examples=["VIR_ERR_NO_DOMAIN"])
    domain_code: int = 0
    """libvirt's virErrorDomain: which part says so."""
    host: str | None = None
    domain: str | None = None
    hint: str | None = None
    """What the reader can do."""
    evidence: dict[str, Any] = {}
    """What else is known: an XML path and line, candidates, the hypervisor's own words."""


def problem_of(error: VirtbusError) -> Problem:
    """The problem document of an error."""
    reply = error.reply()
    where = [f"host {error.host}"] if error.host else []
    where += [f"domain {error.domain}"] if error.domain else []
    return Problem(
        type=URN + reply.kind,
        title=_title(type(error)),
        status=reply.status,
        detail=f"{', '.join(where)}: {error.message}" if where else error.message,
        code=reply.code,
        code_name=reply.code_name,
        domain_code=reply.domain_code,
        host=reply.host,
        domain=reply.domain,
        hint=reply.hint,
        evidence=reply.evidence,
    )


def _title(kind: type[VirtbusError]) -> str:
    """The first sentence of what the error's class says about itself."""
    return " ".join((kind.__doc__ or kind.__name__).strip().split("\n\n")[0].split()).split("; `")[0].rstrip(".")


def problem_response(
    error: VirtbusError, headers: dict[str, str] | None = None, status: int | None = None
) -> Response:
    """The answer that tells an error; `status` where HTTP knows a better one than the error's kind has."""
    headers = dict(headers or {})
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="virtbus"'
    if isinstance(error, Unavailable):
        headers["Retry-After"] = "1"
    problem = problem_of(error)
    problem.status = status or problem.status
    return Response(problem.model_dump_json(exclude_none=True), problem.status, headers, MEDIA)


def invalid_arguments(error: ValidationError) -> InvalidArgument:
    """What pydantic says of arguments, without repeating them: they may hold secrets."""
    faults = [
        {"field": ".".join(map(str, fault["loc"])), "message": fault["msg"]}
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    said = "; ".join(": ".join(word for word in (fault["field"], fault["message"]) if word) for fault in faults)
    return InvalidArgument(f"the arguments cannot be meant so: {said}", evidence={"errors": faults})


def internal_error(trace: str) -> InternalError:
    """What a client is told of a defect: nothing but where to find it in the log."""
    return InternalError("a defect in the gateway", hint=f"its log has it under the trace {trace}",
                         evidence={"trace": trace})  # fmt: skip


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, VirtbusError)
    return problem_response(error)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 404:
        unknown = NotFound(f"there is nothing at {request.url.path}", hint="/openapi.json lists every address")
        return problem_response(unknown, headers)
    if error.status_code == 405:
        text = f"{request.url.path} does not take {request.method}"
        hint = f"it takes {headers.get('Allow', 'another method')}"
        return problem_response(InvalidArgument(text, hint=hint), headers, 405)
    return problem_response(InvalidArgument(str(error.detail)), headers, error.status_code)


def install(app: FastAPI) -> None:
    """Have the app answer every expected failure with a problem document."""
    app.add_exception_handler(VirtbusError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
