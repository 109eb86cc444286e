"""Perform the main job: define, start, attach a disk, detach it by alias with the guest's acknowledgement, destroy.

    python -m demo [--exit] [--state-dir DIR]

Runs `virtbus up` on this machine, and shows each step with its job and the events it brings about.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from tests.guests import linux
from tests.guests.debian import PackagesUnavailable

from demo import domains
from virtbus.client import Client
from virtbus.errors import VirtbusError
from virtbus.operations.declaration import Operation
from virtbus.operations.device import AttachDevice, DetachDevice
from virtbus.operations.domain import DefineDomain, DestroyDomain, GetDomain, StartDomain, UndefineDomain

READY_LIMIT = 90.0
BOOT_LIMIT = 90.0
PORT = 8420

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Stage:
    """Where the job is performed."""

    host: str
    uri: str
    xml: str
    guest_console: Path | None
    """What the guest prints; None where there is no guest."""
    title: str


def stage(folder: Path) -> Stage:
    """Real QEMU with the guest where they can be had, else the simulated hypervisor, and why."""
    if shutil.which("qemu-system-x86_64") is None:
        console.print("[yellow]QEMU is not installed; to see a real guest: apt install qemu-system-x86 qemu-utils[/]")
    else:
        console.print("building the guest from Debian's kernel and busybox ...")
        try:
            guest = linux.build()
        except (PackagesUnavailable, OSError) as error:
            console.print(f"[yellow]the guest cannot be built: {error}[/]")
        else:
            log = folder / "console.log"
            log.unlink(missing_ok=True)
            xml = domains.guest(guest.kernel, guest.initrd, guest.cmdline, log)
            return Stage("local", "qemu:///system", xml, log, "a real QEMU guest")
    console.print("[yellow]going on with the simulated hypervisor[/]")
    uri = "simulated:///default?domains=10"
    return Stage("simulated", uri, domains.simulated(), None, "the SIMULATED hypervisor")


@contextlib.asynccontextmanager
async def running(folder: Path, place: Stage) -> AsyncIterator[dict[str, Any]]:
    """Single-machine mode for as long as this lasts; gives what its ready file says."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    words = ["up", "--state-dir", str(folder / "state"), "--http", f"127.0.0.1:{_port()}", "--ready-file", str(ready)]
    with (folder / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "virtbus", *words, "--host", f"{place.host}={place.uri}", stdout=log, stderr=log
        )
        try:
            async with asyncio.timeout(READY_LIMIT):
                while not ready.exists():
                    if process.returncode is not None:
                        raise SystemExit(f"virtbus up ended: {(folder / 'up.log').read_text()[-2000:]}")
                    await asyncio.sleep(0.05)
            yield json.loads(ready.read_text())
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
            _end_simulators(folder)


def _end_simulators(folder: Path) -> None:
    """The simulated hypervisor outlives its worker as a real one does; this one was only for the demonstration."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes().decode(errors="replace").split("\0")
            if "virtbus_simulated" in words and any(word.startswith(str(folder)) for word in words):
                os.kill(int(entry.parent.name), signal.SIGTERM)


def _port() -> int:
    with socket.socket() as probe:
        return PORT if probe.connect_ex(("127.0.0.1", PORT)) else 0


class Show:
    """The steps, each with its job's result and time; events are shown between them as they come."""

    def __init__(self, client: Client, place: Stage) -> None:
        self._client = client
        self._place = place
        self._number = 0

    async def events(self) -> None:
        """Show every event of the domain, until cancelled."""
        async for event in self._client.events(host=self._place.host):
            if event.name == domains.NAME:
                words = " ".join(f"{key}={value}" for key, value in event.detail.items())
                console.print(f"      [cyan]event[/] {event.kind} {words}  [dim]#{event.generation}[/]")

    async def step(self, title: str, operation: Operation[Any]) -> Any:
        """One job, from asking to its end."""
        self._number += 1
        console.print(f"[bold]{self._number}. {title}[/]")
        began = time.monotonic()
        job = await self._client.submit(operation)
        with console.status(f"job {job.id} ..."):
            result = await job.wait()
        console.print(f"   [green]done[/] in {(time.monotonic() - began) * 1000:.0f} ms, job {job.id}")
        await asyncio.sleep(0.1)
        return result

    async def booted(self) -> None:
        """Wait for the guest to say that it is up."""
        path = self._place.guest_console
        if path is None:
            return
        with console.status("the guest boots ..."):
            async with asyncio.timeout(BOOT_LIMIT):
                while not (path.exists() and b"GUEST-READY" in path.read_bytes()):
                    await asyncio.sleep(0.1)
        console.print("   [green]the guest is up[/]: its kernel printed GUEST-READY on the serial console")


async def main_job(client: Client, folder: Path, place: Stage) -> None:
    """The domain's whole life."""
    show = Show(client, place)
    events = asyncio.ensure_future(show.events())
    try:
        await asyncio.sleep(0.3)
        defined = await show.step("define the domain from its XML", DefineDomain(host=place.host, xml=place.xml))
        where = {"host": place.host, "domain": defined.uuid}
        await show.step("start it", StartDomain(**where))
        await show.booted()
        image = folder / "disk.img"
        with image.open("wb") as file:
            file.truncate(16 * 1024 * 1024)
        attached = await show.step("give it a disk while it runs", AttachDevice(**where, xml=domains.disk(image)))
        console.print(f"   the disk's alias is [bold]{attached.alias}[/]")
        gone = await show.step(
            f"take the disk away by its alias, {attached.alias}", DetachDevice(**where, alias=attached.alias)
        )
        console.print(f"   {gone.alias} is {gone.outcome}, acknowledged by the {gone.by}")
        state = await client.run(GetDomain(**where))
        console.print(f"   the domain is {state.state}")
        await show.step("destroy it", DestroyDomain(**where))
        await show.step("undefine it", UndefineDomain(**where))
        await asyncio.sleep(0.3)
    finally:
        events.cancel()
        await asyncio.gather(events, return_exceptions=True)


def farewell(ready: dict[str, Any], folder: Path) -> None:
    """What to try next."""
    url, state = ready["http"], folder / "state"
    console.print()
    console.print(f"[bold]Virtbus is up[/] at {url}")
    console.print(f"  API           {url}/openapi.json   {url}/asyncapi.json")
    console.print(f"  events        {url}/v1/events      metrics  {url}/metrics")
    console.print(f"  token         {ready['token_file']}")
    console.print()
    console.print("Try in another terminal:")
    console.print(f"  export VIRTBUS_STATE_DIR={state}")
    for words in ("hosts", "list --all", "event --replay", "job list", "--help"):
        console.print(f"  .venv/bin/virtbus {words}")
    console.print(f"  curl -H \"Authorization: Bearer $(cat {ready['token_file']})\" {url}/v1/hosts")


async def main(argv: Sequence[str]) -> int:
    """Perform it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description="The main job, on a real guest.")
    parser.add_argument("--exit", action="store_true", help="stop cleanly after the job")
    parser.add_argument("--state-dir", type=Path, default=Path(".cache/demo"), help="where all is kept")
    arguments = parser.parse_args(argv)
    folder = arguments.state_dir.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    place = stage(folder)
    console.print(f"starting Virtbus on this machine: nats-server, gateway, a worker for {place.uri}")
    async with running(folder, place) as ready:
        async with Client(ready["http"], Path(ready["token_file"]).read_text().strip()) as client:
            console.print(f"performing the main job on {place.title}")
            await main_job(client, folder, place)
        console.print(f"[bold green]The main job is done[/], on {place.title}.")
        farewell(ready, folder)
        if not arguments.exit:
            console.print("\nCtrl-C stops it.")
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            await stop.wait()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except VirtbusError as error:
        console.print(f"[red]error:[/] {error}")
        sys.exit(1)
