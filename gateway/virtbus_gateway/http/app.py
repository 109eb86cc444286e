"""The FastAPI app: the operations' routes, events, health, metrics and the console page around one gateway."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from virtbus_gateway.gateway import Gateway
from virtbus_gateway.http import health, page, problems, routes, schemas, sse, whoami
from virtbus_gateway.http.trace import Traced


class GatewayApp(FastAPI):
    """The app; its OpenAPI document is made from the declarations when it is first asked for."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            from virtbus_gateway.http.openapi import document

            self.openapi_schema = document()
        return self.openapi_schema


def build_app(gateway: Gateway) -> FastAPI:
    """The app around a gateway that is running."""
    app = GatewayApp(title="Virtbus", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.gateway = gateway
    app.add_middleware(Traced)
    problems.install(app)
    health.install(app)
    schemas.install(app)
    sse.install(app)
    whoami.install(app)
    page.install(app)
    routes.install(app)
    return app
