"""One running QEMU under our control: its process, its monitor, its journal and its live definition.

A socket event only says that the journal has something new. What is handled is the journal's entries, one after the
other, each with its position: that is what makes nothing lost and nothing doubled over the worker's death.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from virtbus.domain import Device, Domain, Interface
from virtbus.domain.power import LifecycleAction
from virtbus.driver import Work
from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent, VirtbusError
from virtbus.observations import Observe
from virtbus_qemu import handover, network
from virtbus_qemu.command.parts import Command, Parts
from virtbus_qemu.event import QmpEvent
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.hotplug import Plug
from virtbus_qemu.monitor import Monitor
from virtbus_qemu.process import Identity, Process
from virtbus_qemu.witness import Witness

log = logging.getLogger(__name__)

QUICK = 5.0
"""Seconds for a command that QEMU answers at once."""
BUSY = ("in use", "busy")
BUSY_WAITS = (0.005, 0.02, 0.05, 0.1, 0.2)
"""Seconds between tries to take away a backend of a device that has just left."""
KILL_LIMIT = 5.0
"""Seconds for the kernel to end a process that was sent SIGKILL."""
_NODE = re.compile(r"libvirt-(CoR-.*|\d+-(filter|format|slice-sto|storage))")
_LAYERS = ("filter", "CoR", "format", "slice-sto", "storage")
"""What block nodes are, the highest first: each stands on the next."""
DescribeLive = Callable[[Domain, Device, DomainFolder], Parts]


class Machine(Witness):
    """A QEMU that runs."""

    def __init__(
        self, folder: DomainFolder, process: Process, live: Domain, observe: Observe, describe: DescribeLive
    ) -> None:
        """:param describe: what a device of a live domain is made of in QEMU."""
        super().__init__(folder, live)
        self.parts = describe
        self.process = process
        self.monitor: Monitor | None = None
        self._observe = observe
        self._news = asyncio.Event()
        self._news.set()
        self._waiters: list[tuple[str, asyncio.Future[QmpEvent]]] = []
        self.gone = asyncio.Event()
        """Set when the process has ended and that is observed."""
        self.silent = asyncio.Event()
        """Set when QEMU did not answer in time, until it answers again: nobody who asks many waits for it meanwhile."""
        self.doubtful = False
        """Whether QEMU fell silent while a device was being plugged: it may have it or not."""
        self.changing = asyncio.Lock()
        """Held while a device is being plugged: QEMU and the live definition change together."""

    @property
    def incarnation(self) -> str:
        """Names this run of the domain."""
        return incarnation(self.process.identity)

    # ---- talking to it ----

    def signal(self, _: QmpEvent) -> None:
        """An event came over the socket: the journal has it."""
        self._news.set()

    async def connect(self, timeout: float) -> None:
        """Open the monitor.

        :raises HypervisorGone: QEMU ended.
        :raises HypervisorSilent: it does not answer.
        """
        self.monitor = await Monitor.connect(
            self.folder.monitor, timeout=timeout, on_event=self.signal, domain=self.uuid
        )

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float = QUICK,
        descriptor: int | None = None,
    ) -> Any:
        """Give a QMP command.

        :param descriptor: an open file that goes with it.

        :raises HypervisorError, HypervisorGone, HypervisorSilent: see Monitor.execute.
        """
        if self.monitor is None or not self.monitor.is_open:
            if self.process.ended is not None:
                raise HypervisorGone("the domain's process has ended", domain=self.uuid)
            raise HypervisorGone(
                "the domain's monitor is not connected", domain=self.uuid,
                hint="its process may be stopped; destroy gets through all the same",
            )  # fmt: skip
        try:
            answer = await self.monitor.execute(command, arguments, timeout=timeout, descriptor=descriptor)
        except HypervisorSilent:
            self.silent.set()
            raise
        self.silent.clear()
        return answer

    async def listen_again(self, then: Callable[[], Awaitable[None]]) -> None:
        """Whenever QEMU has fallen silent, ask until it answers; for ever.

        :param then: what is done each time that it answers again.
        """
        while True:
            await self.silent.wait()
            try:
                await self.execute("query-status")
            except HypervisorSilent:
                continue
            except HypervisorError:
                # The monitor is gone, and mostly QEMU with it: its end is noticed elsewhere.
                await asyncio.sleep(QUICK)
            else:
                await then()

    def expect(self, *names: str) -> asyncio.Future[QmpEvent]:
        """The next event of one of these names; arm it before the command that brings it about."""
        future: asyncio.Future[QmpEvent] = asyncio.get_running_loop().create_future()
        self._waiters.extend((name, future) for name in names)
        return future

    async def expected(self, future: asyncio.Future[QmpEvent], work: Work) -> QmpEvent:
        """Wait for an event that was armed, until the job may not go on.

        :raises HypervisorGone: the process ended first.
        """

        async def wait() -> QmpEvent:
            gone = asyncio.ensure_future(self.gone.wait())
            gone.add_done_callback(lambda _: future.cancel())
            try:
                return await future
            except asyncio.CancelledError:
                if not self.gone.is_set():
                    raise
            finally:
                gone.cancel()
            raise HypervisorGone("the domain's process ended first", domain=self.uuid)

        return await work.until(wait())

    # ---- what it tells ----

    async def run(self) -> None:
        """Handle what QEMU tells, in order, until it has ended."""
        ended = asyncio.ensure_future(self.process.wait())
        ended.add_done_callback(lambda _: self._news.set())
        try:
            while not ended.done():
                await self._news.wait()
                self._news.clear()
                await self._read_journal()
            await self._read_journal()
        finally:
            ended.cancel()

    async def _read_journal(self) -> None:
        for event in self.journal.read():
            try:
                await self.handle(event)
            except VirtbusError as error:
                log.warning("domain %s: event %s was not handled: %s", self.uuid, event.name, error)
            except (KeyError, TypeError, ValueError, OSError):
                # One event that cannot be handled must not hide what comes after it.
                log.exception("domain %s: event %s was not handled", self.uuid, event.name)

    def poke(self) -> None:
        """Look into the journal now."""
        self._news.set()

    async def handle(self, event: QmpEvent) -> None:
        """Turn one event of the journal into observations, and wake who waits for it."""
        for observation in await self.meaning(event):
            self._observe(observation)
        if self.outdated:
            # What is observed is on its way meanwhile; an adoption holds the folder against QEMU anyway.
            self.rewrite()
        left = []
        for name, future in self._waiters:
            if name == event.name and not future.done():
                future.set_result(event)
            elif not future.done():
                left.append((name, future))
        self._waiters = left
        if event.name in ("SHUTDOWN", "GUEST_PANICKED"):
            await self.go_on()

    async def go_on(self) -> None:
        """Answer a guest's end by a reset where that is asked for; QEMU waits for it, its processors stopped."""
        after_end = self.reboot_job is not None or self.live.on_poweroff is LifecycleAction.RESTART
        after_panic = self.live.on_crash is LifecycleAction.RESTART
        if (self.powered_off is not None and after_end) or (self.panicked and after_panic):
            await self.execute("system_reset")
            await self.execute("cont")

    async def _free(self, command: Command) -> None:
        """Take a backend away; one that QEMU is still letting go of is busy for a moment."""
        for wait in (*BUSY_WAITS, None):
            try:
                await self.execute(command.execute, command.arguments)
                return
            except HypervisorGone:
                raise
            except HypervisorError as error:
                answer = str(error.evidence.get("answer"))
                if wait is None or not any(word in answer for word in BUSY):
                    raise
                await asyncio.sleep(wait)

    async def free_strays(self) -> None:
        """Close the images that no disk of the live definition has: what was cut off in between left them open."""
        nodes = await self.execute("query-named-block-nodes", {"flat": True})
        ours = {
            backend.id
            for disk in self.live.devices.disks
            for backend in self.parts(self.live, disk, self.folder).backends
        }
        strays = [str(node["node-name"]) for node in nodes if _NODE.fullmatch(str(node["node-name"]))]
        # What stands on another node goes first; those still in use stay.
        for name in sorted(set(strays) - ours, key=_layer):
            with contextlib.suppress(HypervisorError):
                await self.execute("blockdev-del", {"node-name": name})

    async def tear_down(self, device: Device) -> None:
        """Free what served a device that the guest has let go of; what is gone already is as good."""
        plug = Plug(str(device.alias), self.parts(self.live, device, self.folder))
        # Sent together: QEMU does them in order, what stands on another before that one.
        frees = [self._free(command) for command in plug.teardown]
        freed = await asyncio.gather(*frees, return_exceptions=True)
        for error in freed:
            if isinstance(error, HypervisorGone):
                return
            if isinstance(error, HypervisorError) and "find" not in str(error.evidence.get("answer")):
                log.warning("domain %s: a teardown step was refused: %s", self.uuid, error)
        with contextlib.suppress(HypervisorError):
            await handover.take_back(self, device, plug.backends)
        if isinstance(device, Interface):
            network.disconnect(device)

    # ---- its end ----

    async def kill(self, timeout: float = KILL_LIMIT) -> None:
        """End the process by force, whatever it does.

        :raises HypervisorSilent: the kernel did not end it in time.
        """
        await self.process.kill(timeout=timeout)

    async def close(self) -> None:
        """Let go of it; it runs on."""
        if self.monitor is not None:
            await self.monitor.close()
        self.process.close()


def _layer(node: str) -> int:
    """How deep a block node lies, by its name."""
    return next(depth for depth, layer in enumerate(_LAYERS) if f"-{layer}" in node)


def incarnation(identity: Identity) -> str:
    """A process as the record names it."""
    return f"{identity.pid}-{identity.started}"


async def plugged(machine: Machine) -> set[str]:
    """The aliases of the devices that QEMU has now."""
    found = await machine.execute("qom-list", {"path": "/machine/peripheral"})
    return {str(entry["name"]) for entry in found if str(entry.get("type", "")).startswith("child<")}
