"""The rival's side in the harness: starting it, asking it, or saying why it cannot be measured."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.bench.side import Name, pss

SYSTEM_PYTHON = "/usr/bin/python3"
PACKAGES = "libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-lxc libvirt-clients python3-libvirt"
INSTALL = f"sudo apt-get install --no-install-recommends {PACKAGES}"
CALL_LIMIT = 300.0
_LINE_LIMIT = 1 << 24


class RivalMissing(Exception):
    """libvirtd cannot be run here; the text says what mends it."""


class Rival:
    """libvirtd, asked through python3-libvirt on its unix socket; the calls are measured beside libvirt."""

    key: Name = "theirs"

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.version = ""
        self.pid = 0

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """One of the methods of `libvirtd.Client`.

        :raises RuntimeError: libvirt refused, with its words.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": method, "arguments": arguments}).encode() + b"\n")
        async with asyncio.timeout(CALL_LIMIT):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"libvirtd's client ended in {method}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"libvirt's {method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def ms(self, call: str, **arguments: Any) -> float:
        """How long a call took."""
        return float((await self.call(call, **arguments))["ms"])

    async def define(self, xml: str) -> None:
        """See Side."""
        await self.call("define", xml=xml)

    async def undefine(self, name: str) -> None:
        """See Side."""
        await self.call("undefine", name=name)

    async def start(self, name: str) -> float:
        """See Side."""
        return await self.ms("start", name=name)

    async def resume(self, name: str) -> float:
        """See Side."""
        return await self.ms("resume", name=name)

    async def destroy(self, name: str) -> float:
        """See Side."""
        return await self.ms("destroy", name=name)

    async def attach(self, name: str, xml: str) -> float:
        """See Side."""
        return await self.ms("attach", name=name, xml=xml)

    async def detach(self, name: str, xml: str) -> float:
        """See Side."""
        answer = await self.call("detach", name=name, xml=xml)
        if answer["left"]:
            raise RuntimeError("libvirt says that the disk is gone, and it is not")
        return float(answer["ms"])

    async def crowd_start(self, names: list[str], callers: int) -> float:
        """See Side."""
        return await self.ms("crowd_start", names=names, callers=callers)

    async def crowd_destroy(self, names: list[str], callers: int) -> float:
        """See Side."""
        return await self.ms("crowd_destroy", names=names, callers=callers)

    async def statistics(self) -> tuple[float, dict[str, set[str]]]:
        """See Side."""
        answer = await self.call("statistics")
        return float(answer["ms"]), {name: set(names) for name, names in answer["fields"].items()}

    def memory(self) -> dict[str, float]:
        """See Side."""
        return {"libvirtd": pss(self.pid)}


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Rival]:
    """libvirtd in namespaces of its own, for as long as this lasts.

    :raises RivalMissing: it is not installed, or may not be run.
    """
    if os.geteuid() != 0:
        raise RivalMissing("libvirtd needs namespaces of its own: run as root")
    if not Path("/usr/sbin/libvirtd").exists() or not Path(SYSTEM_PYTHON).exists() or shutil.which("unshare") is None:
        raise RivalMissing(f"libvirtd is not installed: {INSTALL}")
    folder.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name("libvirtd.py")
    with (folder / "client.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "unshare", "--mount", "--net", "--propagation", "private", SYSTEM_PYTHON, str(script), str(folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, limit=_LINE_LIMIT,
        )  # fmt: skip
    rival = Rival(process)
    try:
        try:
            hello = await rival.call("hello")
        except RuntimeError as error:
            words = (folder / "client.log").read_text(errors="replace")[-1500:]
            raise RivalMissing(f"libvirtd does not run here ({error}); is it whole? {INSTALL}\n{words}") from error
        number = hello["version"]
        rival.version = f"libvirt {number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
        rival.pid = hello["pid"]
        yield rival
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
