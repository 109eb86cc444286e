"""A QEMU domain's screen and keyboard."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from virtbus.driver import Console, Target, Work
from virtbus.errors import ConfigUnsupported, HypervisorError, InvalidArgument
from virtbus_qemu.host import QemuHost
from virtbus_qemu.keys import QCODES


class QemuConsole(Console):
    """The facet; the driver brings the host."""

    host: QemuHost

    async def screenshot(self, target: Target, screen: int, timeout: float) -> bytes:
        """See Console."""
        machine = self.host.machine(target)
        videos = machine.live.devices.videos
        if screen >= max(1, len(videos)):
            raise InvalidArgument(f"the domain has no screen {screen}", host=target.host, domain=target.uuid)
        if not videos:
            raise ConfigUnsupported("the domain has no video card", host=target.host, domain=target.uuid)
        with tempfile.TemporaryDirectory(dir=machine.folder.path, prefix="screen") as scratch:
            path = Path(scratch) / "screen.png"
            arguments: dict[str, Any] = {"filename": str(path), "format": "png"}
            if screen:
                arguments |= {"device": videos[screen].alias, "head": 0}
            await machine.execute("screendump", arguments, timeout=timeout)
            content = await asyncio.to_thread(path.read_bytes)
        if not content:
            raise HypervisorError("QEMU took no picture", host=target.host, domain=target.uuid)
        return content

    async def send_keys(self, target: Target, keys: Sequence[str], hold: int, work: Work) -> None:
        """See Console."""
        machine = self.host.machine(target)
        unknown = [key for key in keys if key not in QCODES]
        if unknown:
            raise InvalidArgument(
                f"there is no key {', '.join(unknown)}", host=target.host, domain=target.uuid,
                hint="Linux key names are meant, such as KEY_LEFTCTRL",
            )  # fmt: skip
        await work.before_effect()
        pressed = [{"type": "qcode", "data": QCODES[key]} for key in keys]
        await machine.execute("send-key", {"keys": pressed, "hold-time": hold})
