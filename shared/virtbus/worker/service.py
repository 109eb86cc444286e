"""A worker process: one session, the hosts of one hypervisor family, metrics and health."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

import prometheus_client
from pydantic import BaseModel, ConfigDict

from virtbus import __version__
from virtbus.bus.connection import Bus
from virtbus.bus.settings import BusSettings
from virtbus.errors import HostTaken, Unavailable, VirtbusError
from virtbus.notify import keep_alive, notify
from virtbus.records import SessionRecord
from virtbus.worker.host import HostServer
from virtbus.worker.share import Share
from virtbus.worker.tenure import HostPlan

log = logging.getLogger(__name__)

OWNED = prometheus_client.Gauge("virtbus_hosts_owned", "Hosts that this worker serves now")
SESSIONS = prometheus_client.Counter("virtbus_sessions_total", "Sessions begun by this process")


READY_LIMIT = 15.0
"""Seconds after which a worker is ready also without the hosts that it cannot serve yet."""


class WorkerSettings(BaseModel):
    """What a worker process is told."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """One subject token: the worker's name on the bus."""
    family: str
    bus: BusSettings
    metrics: str | None = None
    """ADDR:PORT on which Prometheus may ask this process; None: nowhere."""


class Worker:
    """One worker process."""

    def __init__(self, settings: WorkerSettings, plans: Sequence[HostPlan]) -> None:
        self._settings = settings
        self._plans = list(plans)
        self.hosts: list[HostServer] = []

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; domains run on."""
        loop = asyncio.get_running_loop()
        main = asyncio.current_task()
        assert main is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, main.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as group:
                group.create_task(keep_alive())
                if self._settings.metrics is not None:
                    address, _, port = self._settings.metrics.rpartition(":")
                    prometheus_client.start_http_server(int(port), address or "127.0.0.1")
                await self._serve()
        notify("STOPPING=1")

    async def _serve(self) -> None:
        bus = await self._connect()
        try:
            while True:
                try:
                    await self._session(bus)
                except* VirtbusError as group:
                    log.warning("the session is lost, a new one is begun: %s", group.exceptions[0])
                if bus.link.client.is_closed:
                    # The client gave up for good, as it does when its user is refused: begin from the beginning.
                    await bus.close()
                    bus = await self._connect()
                await asyncio.sleep(0.5)
        finally:
            await bus.close()

    async def _connect(self) -> Bus:
        """The bus, as soon as it is there; a supervisor sees that this process lives meanwhile."""
        while True:
            try:
                return await Bus.connect(self._settings.bus, role="worker", name=self._settings.name)
            except Unavailable as error:
                log.warning("%s", error)
                await asyncio.sleep(1.0)

    async def _session(self, bus: Bus) -> None:
        """One session from its beginning to its loss."""
        record = SessionRecord(
            id=f"{self._settings.name}.{token_hex(8)}",
            machine=machine_id(),
            pid=os.getpid(),
            family=self._settings.family,
            hosts=[plan.settings.name for plan in self._plans],
            version=__version__,
        )
        session = bus.sessions.new(record)
        await session.begin()
        await session.measure_skew()
        SESSIONS.inc()
        share = Share(bus.sessions, record, session.skew)
        self.hosts = [HostServer(bus, session, plan, None if plan.driver.local else share) for plan in self._plans]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(session.keep())
                if not all(plan.driver.local for plan in self._plans):
                    group.create_task(share.watch())
                for host in self.hosts:
                    group.create_task(self._host(host))
                group.create_task(self._report())
        finally:
            with contextlib.suppress(Unavailable):
                await session.end()

    async def _host(self, host: HostServer) -> None:
        try:
            await host.run()
        except HostTaken as error:
            # The others are served all the same; this one needs a human.
            log.error("%s", error)
            host.trouble = str(error)

    async def _report(self) -> None:
        """Say READY=1 when every host is served; those that cannot be must not keep the others waiting."""
        told = False
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_LIMIT
        while True:
            served = sum(host.serving.is_set() for host in self.hosts)
            OWNED.set(served)
            if not told and (served == len(self.hosts) or loop.time() > until):
                notify(f"READY=1\nSTATUS=serving {served} of {len(self.hosts)} hosts")
                told = True
            await asyncio.sleep(1.0 if told else 0.02)


def machine_id() -> str:
    """This machine's identity (machine-id(5)); one that is made and kept where there is none."""
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        with contextlib.suppress(OSError):
            text = path.read_text().strip()
            if text:
                return text
    return "boot-" + Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def boot_id() -> str:
    """Differs after each boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


