"""Whose token it is: what a client needs to know to offer only what will not be refused."""

from __future__ import annotations

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from virtbus_gateway.auth import PERMISSIONS, Role
from virtbus_gateway.http.arguments import JSON_MEDIA
from virtbus_gateway.http.routes import gateway_of

PATH = "/v1/whoami"


class Identity(BaseModel):
    """The principal of a token, and how far the token reaches."""

    name: str
    role: Role
    permissions: tuple[str, ...]
    """Globs of `object:verb`."""
    hosts: tuple[str, ...]
    """Globs."""
    projects: tuple[str, ...]
    """Globs."""


async def whoami(request: Request) -> Response:
    """Whose token the request has; needs no permission but a token that is known.

    :raises Unauthenticated: it has none, or one that is not known.
    """
    principal = gateway_of(request).tokens.authenticate(request.headers.get("authorization"))
    identity = Identity(
        name=principal.name,
        role=principal.role,
        permissions=PERMISSIONS[principal.role],
        hosts=principal.hosts,
        projects=principal.projects,
    )
    return Response(identity.model_dump_json(), media_type=JSON_MEDIA)


def install(app: FastAPI) -> None:
    """Give the app this address."""
    app.router.add_api_route(PATH, whoami, methods=["GET"], name="whoami", include_in_schema=False)
