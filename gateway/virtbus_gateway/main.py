"""The gateway's process: connect to the bus, follow the record, serve HTTP, stop cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import uvicorn

from virtbus import loop
from virtbus.bus.connection import Bus
from virtbus.notify import notify, watchdog_interval
from virtbus_gateway.gateway import Gateway
from virtbus_gateway.http.app import build_app
from virtbus_gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

SYNC_TIMEOUT = 60.0
"""Seconds in which the record must have been read at the start."""
GRACE = 5
"""Seconds that running requests are given when the gateway stops."""
KEEP_ALIVE = 65
"""Seconds that an idle connection is kept: longer than the load balancers in front usually do."""
BACKLOG = 1024

Started = Callable[[str], None]
"""Is told the URL once the gateway answers."""


class Server(uvicorn.Server):
    """uvicorn without its signal handlers (the process that serves has its own), and with an event for its start."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    settings: GatewaySettings, *, started: Started | None = None, stop: asyncio.Event | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, and end cleanly.

    :param started: is told the URL once everything answers.
    :param stop: set by the caller instead of the signals, which are then left alone.
    :raises Unavailable: the bus cannot be reached, or its record not be read.
    :raises OSError: the address cannot be listened on.
    """
    with contextlib.closing(_listen(settings)) as listener:
        bus = await Bus.connect(settings.bus, role="gateway", name=settings.name)
        try:
            gateway = Gateway(settings, bus)
            server = Server(_config(settings, gateway))
            with contextlib.nullcontext(stop) if stop is not None else _stop_signals() as stopped:
                await _serve(gateway, server, listener, started, stopped)
        finally:
            await bus.close()


async def _serve(
    gateway: Gateway, server: Server, listener: socket.socket, started: Started | None, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(_end(gateway, server, stop), name="stop"),
            group.create_task(gateway.run(), name="gateway"),
            group.create_task(_announce(gateway, server, listener, started), name="announce"),
        ]
        try:
            await server.serve(sockets=[listener])
        finally:
            for task in background:
                task.cancel()


async def _end(gateway: Gateway, server: Server, stop: asyncio.Event) -> None:
    """When it is to stop: answer whoever waits, then let the server end."""
    await stop.wait()
    notify("STOPPING=1")
    gateway.closing.set()
    server.should_exit = True


async def _announce(gateway: Gateway, server: Server, listener: socket.socket, started: Started | None) -> None:
    """Say that it is ready, then that it lives for as long as the loop turns."""
    async with asyncio.timeout(SYNC_TIMEOUT):
        await gateway.inventory.synced.wait()
        await gateway.jobs.synced.wait()
        await server.listening.wait()
    url = url_of(gateway.settings, listener)
    log.info("serving %s; %d hosts", url, len(gateway.inventory.hosts))
    notify(f"READY=1\nSTATUS=serving {url}")
    if started is not None:
        started(url)
    interval = watchdog_interval()
    while interval is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)


def url_of(settings: GatewaySettings, listener: socket.socket) -> str:
    """Where clients of this machine reach it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if settings.tls_cert else 'http'}://{host}:{port}"


def _listen(settings: GatewaySettings) -> socket.socket:
    host, port = settings.address
    # With its protocol named: asyncio turns Nagle's delay off only for sockets that say they are TCP.
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


def _config(settings: GatewaySettings, gateway: Gateway) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(gateway),
        lifespan="off",
        loop="none",
        http="httptools" if find_spec("httptools") else "h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


@contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    names = (signal.SIGTERM, signal.SIGINT)
    for name in names:
        loop.add_signal_handler(name, stop.set)
    try:
        yield stop
    finally:
        for name in names:
            loop.remove_signal_handler(name)


def run(settings: GatewaySettings, *, started: Started | None = None) -> None:
    """Run the gateway as this process's work, on uvloop where it is there; raises what `serve` does."""
    loop.run(serve(settings, started=started))
