"""QEMU's own language, for experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virtbus.driver import Monitor, Target, Work
from virtbus_qemu.host import QemuHost


class QemuMonitor(Monitor):
    """The facet; the driver brings the host."""

    host: QemuHost

    async def monitor_command(
        self, target: Target, command: str, arguments: Mapping[str, Any], work: Work, *, human: bool
    ) -> Any:
        """See Monitor."""
        machine = self.host.machine(target)
        await work.before_effect()
        if human:
            return await machine.execute("human-monitor-command", {"command-line": command}, timeout=work.remaining())
        return await machine.execute(command, dict(arguments) or None, timeout=work.remaining())
