"""Xen with its dom0 in QEMU (TCG): booted once and saved, then resumed for each run.

python -m tests.xen.machine                 boots it and says how to log in, until interrupted
python -m tests.xen.machine COMMAND ...     boots it for a command, which finds it in its environment
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.xen.image import Image, build

BOOT_SECONDS = 180.0
RESUME_SECONDS = 60.0
ADDRESS = "127.0.0.1"

URI, KEY, KNOWN_HOSTS = "TEST_XEN_URI", "TEST_XEN_KEY", "TEST_XEN_KNOWN_HOSTS"
"""Where a test finds the machine."""

# Without smap and smep: a paravirtual dom0 crashes at once otherwise.
_MACHINE = ("-accel", "tcg,thread=multi", "-cpu", "max,-smap,-smep", "-machine", "pc", "-smp", "1", "-m", "1536",
            "-display", "none", "-nodefaults", "-no-reboot")  # fmt: skip
_XEN = "console=com1 com1=115200,8n1 noreboot dom0_mem=512M,max:512M sched=credit"
_DOM0 = "console=hvc0 quiet nokaslr panic=-1"


@dataclass
class Machine:
    """A running machine, which answers ssh as root@127.0.0.1."""

    image: Image
    process: asyncio.subprocess.Process
    folder: Path
    port: int
    hypervisor: _Qmp

    @property
    def uri(self) -> str:
        """As Virtbus addresses the host."""
        return f"xen+ssh://root@{ADDRESS}:{self.port}/system"

    @property
    def known_hosts(self) -> Path:
        """The machine's key, as ssh notes it."""
        path = self.folder / "known_hosts"
        path.write_text(f"[{ADDRESS}]:{self.port} {self.image.host_key.read_text()}")
        return path

    async def save(self) -> None:
        """Write the machine's state beside the image, and end it."""
        part = self.image.state.with_suffix(".part")
        await self.hypervisor.ask("stop")
        await self.hypervisor.ask("migrate", uri=f"exec:cat > '{part}'")
        while (await self.hypervisor.ask("query-migrate")).get("status") not in ("completed", "failed"):
            await asyncio.sleep(0.1)
        await self.hypervisor.ask("quit")
        await self.process.wait()
        part.replace(self.image.state)

    async def stop(self) -> None:
        """End it."""
        self.hypervisor.close()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Qmp:
    """QEMU's monitor, as far as it is needed here."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, path: Path) -> _Qmp:
        async with asyncio.timeout(RESUME_SECONDS):
            while True:
                try:
                    self = cls(*await asyncio.open_unix_connection(str(path), limit=1 << 20))
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    await asyncio.sleep(0.05)
        await self._reader.readline()
        await self.ask("qmp_capabilities")
        return self

    async def ask(self, command: str, **arguments: Any) -> Any:
        self._writer.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        async with asyncio.timeout(RESUME_SECONDS):
            while True:
                answer = json.loads(await self._reader.readline())
                if "error" in answer:
                    raise RuntimeError(f"{command}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]

    def close(self) -> None:
        self._writer.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


async def _launch(image: Image, *extra: str, snapshot: bool) -> Machine:
    folder = Path(tempfile.mkdtemp(prefix="xen-"))
    port = _free_port()
    drive = f"file={image.disk},format=raw,if=virtio,cache=unsafe" + (",snapshot=on" if snapshot else "")
    process = await asyncio.create_subprocess_exec(
        "qemu-system-x86_64", *_MACHINE,
        "-kernel", str(image.hypervisor), "-append", _XEN,
        "-initrd", f"{image.kernel} {_DOM0},{image.initrd}",
        "-drive", drive, "-device", "virtio-net-pci,netdev=net0",
        "-netdev", f"user,id=net0,restrict=on,hostfwd=tcp:{ADDRESS}:{port}-:22",
        "-chardev", f"file,id=serial0,path={folder}/serial.log", "-serial", "chardev:serial0",
        "-qmp", f"unix:{folder}/qmp.sock,server=on,wait=off", *extra,
        stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return Machine(image, process, folder, port, await _Qmp.connect(folder / "qmp.sock"))
    except BaseException:
        process.kill()
        await process.wait()
        raise


async def _answers(machine: Machine, seconds: float) -> None:
    """Wait until its ssh server speaks."""
    async with asyncio.timeout(seconds):
        while True:
            if machine.process.returncode is not None:
                raise RuntimeError(f"the Xen machine ended: {(machine.folder / 'serial.log').read_text()[-2000:]}")
            try:
                reader, writer = await asyncio.open_connection(ADDRESS, machine.port)
            except OSError:
                await asyncio.sleep(0.2)
                continue
            try:
                async with asyncio.timeout(5):
                    if (await reader.readline()).startswith(b"SSH-"):
                        return
            except (TimeoutError, ConnectionError):
                pass
            finally:
                writer.close()
            await asyncio.sleep(0.2)


async def boot(image: Image) -> None:
    """Boot the machine and save it."""
    machine = await _launch(image, snapshot=False)
    try:
        await _answers(machine, BOOT_SECONDS)
        await machine.save()
    finally:
        await machine.stop()


@asynccontextmanager
async def running() -> AsyncIterator[Machine]:
    """The machine, resumed from its saved state; what it writes to its disk is thrown away.

    :raise PackagesUnavailable: it cannot be made here.
    """
    image = await asyncio.to_thread(build)
    if not image.state.exists():
        await boot(image)
    machine = await _launch(image, "-incoming", f"exec:cat '{image.state}'", snapshot=True)
    try:
        async with asyncio.timeout(RESUME_SECONDS):
            while (await machine.hypervisor.ask("query-status"))["status"] == "inmigrate":
                await asyncio.sleep(0.1)
        await machine.hypervisor.ask("cont")
        await _answers(machine, RESUME_SECONDS)
        yield machine
    finally:
        await machine.stop()


async def _main(command: list[str]) -> int:
    """Run a command that finds the machine in its environment; without one, say how to log in and wait."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    async with running() as machine:
        if command:
            said = {URI: machine.uri, KEY: str(machine.image.client_key), KNOWN_HOSTS: str(machine.known_hosts)}
            process = await asyncio.create_subprocess_exec(*command, env=os.environ | said)
            try:
                return await process.wait()
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()
        print(f"ssh -i {machine.image.client_key} -o UserKnownHostsFile={machine.known_hosts} "
              f"-p {machine.port} root@{ADDRESS}")  # fmt: skip
        return await machine.process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))
