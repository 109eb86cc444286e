"""Whether the gateway lives, is ready, and what it measures."""

from __future__ import annotations

import json
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import Response

from virtbus.errors import NotFound
from virtbus_gateway.http.arguments import JSON_MEDIA
from virtbus_gateway.http.routes import authenticate, gateway_of
from virtbus_gateway.scrape import scrape

METRICS_PERMISSION = "metrics:read"
METRICS_MEDIA = "text/plain; version=0.0.4; charset=utf-8"


async def alive(request: Request) -> Response:
    """The process answers."""
    return Response('{"status":"alive"}', media_type=JSON_MEDIA)


async def ready(request: Request) -> Response:
    """The bus is connected and the inventory complete; 503 until then. `findings`: what the bus has weaker than it
    should."""
    gateway = gateway_of(request)
    checks = {"bus": gateway.bus.connected, "inventory": gateway.synced, "serving": not gateway.closing.is_set()}
    good = all(checks.values())
    body = {"status": "ready" if good else "not ready", "checks": checks, "findings": gateway.bus.findings}
    return Response(json.dumps(body), 200 if good else 503, media_type=JSON_MEDIA)


async def metrics(request: Request) -> Response:
    """What the gateway measures of itself, then the figures of every host and domain."""
    gateway = gateway_of(request)
    principal = None if gateway.settings.metrics_open else authenticate(request, METRICS_PERMISSION)
    return Response(await scrape(gateway, principal), headers={"Content-Type": METRICS_MEDIA})


async def asyncapi(request: Request) -> Response:
    """The contract of the bus."""
    document = files("virtbus.bus").joinpath("asyncapi.json")
    if not document.is_file():
        raise NotFound("this installation has no AsyncAPI document")
    return Response(document.read_bytes(), media_type=JSON_MEDIA)


def install(app: FastAPI) -> None:
    """Give the app these addresses."""
    for path, endpoint in (
        ("/healthz", alive),
        ("/readyz", ready),
        ("/metrics", metrics),
        ("/asyncapi.json", asyncapi),
    ):
        app.router.add_api_route(path, endpoint, methods=["GET"], name=path[1:], include_in_schema=False)
