"""`virtbus up`: a whole Virtbus on this machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from virtbus.bus.connection import Bus
from virtbus.bus.server import find_server, read_urls, wait_ready, write_configuration
from virtbus.bus.settings import BusSettings
from virtbus.client.config import default_state_dir
from virtbus.errors import InvalidArgument, Unavailable, VirtbusError
from virtbus.single.child import Child
from virtbus.single.layout import Layout, free_port, write_json

log = logging.getLogger(__name__)

HOST = re.compile(r"^(?P<name>[a-z0-9_-]{1,63})=(?P<uri>(?P<family>[a-z]+)(\+[a-z]+)?:.*)$")
READY_LIMIT = 90.0
DEFAULT_HTTP = "127.0.0.1:8420"
FOUND = {"qemu": ("qemu-system-x86_64", "qemu:///system"), "simulated": (None, "simulated:///default?domains=100")}
"""The hypervisors that are served where no --host says which: the program that shows one is here, and its URI."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="virtbus up",
        description="Run a whole Virtbus on this machine: an embedded nats-server, the gateway, and a worker for each"
        " hypervisor. Stops cleanly on SIGTERM or Ctrl-C; domains run on, and are found again.",
    )
    result.add_argument(
        "--host", action="append", default=[], metavar="NAME=URI",
        help="a host to serve, such as kvm1=qemu:///system or sim=simulated:///default?domains=100;"
        " may be repeated (default: QEMU where it is installed, and the simulated hypervisor)",
    )  # fmt: skip
    result.add_argument("--state-dir", type=Path, metavar="DIR", help=f"where all is kept ({default_state_dir()})")
    result.add_argument(
        "--http", default=DEFAULT_HTTP, metavar="ADDR:PORT",
        help=f"where the gateway listens (default: {DEFAULT_HTTP}; port 0 takes a free one)",
    )  # fmt: skip
    result.add_argument(
        "--ready-file", type=Path, metavar="FILE",
        help="gets a JSON document with URLs, token file and process ids once all are ready",
    )  # fmt: skip
    result.add_argument("--option", action="append", default=[], metavar="KEY=VALUE",
                        help="a setting handed to every worker's driver")  # fmt: skip
    return result


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=os.environ.get("VIRTBUS_LOG", "INFO"), format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("nats").setLevel(logging.ERROR)
    try:
        hosts = parse_hosts(arguments.host)
        layout = Layout.at(arguments.state_dir or default_state_dir())
        asyncio.run(Single(layout, hosts, arguments.http, arguments.ready_file, arguments.option).run())
    except (VirtbusError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_hosts(given: Sequence[str]) -> dict[str, str]:
    """The hosts to serve, by name.

    :raises InvalidArgument: one is not NAME=URI, or a name comes twice.
    """
    if not given:
        machine = re.sub(r"[^a-z0-9_-]", "-", socket.gethostname().partition(".")[0].lower())[:60] or "local"
        names = {"qemu": machine, "simulated": "simulated"}
        return {
            names[family]: uri for family, (program, uri) in FOUND.items() if program is None or shutil.which(program)
        }
    hosts: dict[str, str] = {}
    for text in given:
        match = HOST.match(text)
        if match is None or match["name"] in hosts:
            raise InvalidArgument(
                f"'{text}' is no host, or names one twice", hint="such as kvm1=qemu:///system; names are lower case"
            )
        hosts[match["name"]] = match["uri"]
    return hosts


class Single:
    """The processes of single-machine mode."""

    def __init__(
        self, layout: Layout, hosts: dict[str, str], http: str, ready_file: Path | None, options: Sequence[str]
    ) -> None:
        self._layout = layout
        self._hosts = hosts
        self._http = http
        self._ready_file = ready_file
        self._options = [word for option in options for word in ("--option", option)]
        self._port = layout.bus_port()
        self._url = f"nats://127.0.0.1:{self._port}"
        self._monitor = ""
        self._metrics: dict[str, str] = {}
        """Where each worker's process may be asked by Prometheus."""
        self._children: list[Child] = []

    async def run(self) -> None:
        """Start all, say when all are ready, keep them running, stop all."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = self._server()
        services: list[Child] = []
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                # The bus is stopped last: the services say goodbye on it.
                bus_task = group.create_task(server.run())
                await self._bus_ready(server)
                self._first_token()
                services = [self._gateway(), *(self._worker(name, uri) for name, uri in self._hosts.items())]
                self._children = [server, *services]
                tasks = [group.create_task(child.run()) for child in services]
                announcing = group.create_task(self._announce(services))
                await stop.wait()
                log.info("stopping; domains run on")
                announcing.cancel()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                bus_task.cancel()
        finally:
            self._layout.ready.unlink(missing_ok=True)
            if self._ready_file is not None:
                self._ready_file.unlink(missing_ok=True)

    def _server(self) -> Child:
        workers = {f"worker_{name}": [name] for name in self._hosts}
        configuration = write_configuration(
            self._layout.nats, listen=f"127.0.0.1:{self._port}", authorization=self._layout.authorization(workers)
        )
        program = str(find_server())
        return Child(
            "nats-server",
            lambda: [program, "-c", str(configuration)],
            self._layout.logs / "nats-server.log",
            self._layout.notify("nats-server"),
            speaks=False,
        )

    async def _bus_ready(self, server: Child) -> None:
        await server.changed.wait()
        if server.pid is None:
            raise Unavailable("nats-server ended at once", hint=f"see {server.log}")
        _, self._monitor = await read_urls(self._layout.nats, server.pid, 10)
        settings = BusSettings(servers=[self._url], monitor=self._monitor, nkey_seed=self._layout.seed("setup"))
        await wait_ready(settings, 10)
        bus = await Bus.connect(settings, role="gateway", name="setup")
        for finding in bus.findings:
            log.warning("the bus: %s", finding)
        await bus.close()

    def _first_token(self) -> None:
        if self._layout.token.exists():
            return
        subprocess.run(
            [sys.executable, "-m", "virtbus", "token", "--file", str(self._layout.tokens), "create", "admin",
             "--role", "admin", "--output", str(self._layout.token)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def _service(self, name: str, *words: str) -> Child:
        environment = {
            "VIRTBUS_NATS": self._url,
            "VIRTBUS_NATS_MONITOR": self._monitor,
            "VIRTBUS_NKEY_SEED": str(self._layout.seed(name)),
            "VIRTBUS_NAME": name,
        }
        return Child(
            name,
            lambda: [sys.executable, "-m", "virtbus", *words],
            self._layout.logs / f"{name}.log",
            self._layout.notify(name),
            environment,
        )

    def _gateway(self) -> Child:
        child = self._service("gateway")
        tokens = str(self._layout.tokens)
        child.argv = lambda: [
            sys.executable, "-m", "virtbus", "gateway", "--http", self._http, "--token-file", tokens,
        ]  # fmt: skip
        return child

    def _worker(self, name: str, uri: str) -> Child:
        family = uri.partition(":")[0].partition("+")[0]
        child = self._service(
            f"worker_{name}", "worker", family, "--host", f"{name}={uri}", "--run-dir", str(self._layout.run),
            "--state-dir", str(self._layout.state), *self._options,
        )  # fmt: skip
        words = child.argv()

        def with_metrics() -> list[str]:
            # Another port at each start: nobody keeps the one of before free meanwhile.
            address = self._metrics[child.name] = f"127.0.0.1:{free_port()}"
            return [*words, "--metrics", address]

        child.argv = with_metrics
        return child

    async def _announce(self, services: list[Child]) -> None:
        """Write the ready file once all are ready, and again whenever a process is a new one."""
        gateway = services[0]
        told = False
        while True:
            await self._all_ready(services)
            address = gateway.status.rpartition(" ")[2]
            self._http = address.partition("//")[2] or self._http
            pids: dict[str, Any] = {child.name: child.pid for child in self._children}
            document = {"http": address, "nats": self._url, "token_file": str(self._layout.token), "pids": pids}
            document["metrics"] = {name: f"http://{where}/metrics" for name, where in self._metrics.items()}
            for path in (self._layout.ready, self._ready_file):
                if path is not None:
                    write_json(path, document)
            if not told:
                told = True
                log.info("ready: %s (token in %s)", address, self._layout.token)
            for child in self._children:
                child.changed.clear()
            waiting = [asyncio.ensure_future(child.changed.wait()) for child in self._children]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def _all_ready(self, services: list[Child]) -> None:
        for child in services:
            try:
                async with asyncio.timeout(READY_LIMIT):
                    await child.ready.wait()
            except TimeoutError:
                log.warning("%s is not ready yet; its log: %s", child.name, child.log)
                await child.ready.wait()
