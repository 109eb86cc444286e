"""Resetting a container: reboot(2) in its PID namespace, by a process of the host that only enters that one.

In a PID namespace other than the host's, reboot(2) ends the first process as if it had asked for it itself
(pid_namespaces(7)); LXC's monitor then boots the container anew. The program refuses to act in the namespace that it
was started from.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from virtbus.errors import HypervisorError
from virtbus_lxc.container import Container
from virtbus_lxc.tools import ask, refusal

OWN_NAMESPACE = 7
"""Exit status of the program where it did not get into the container's namespace."""

PROGRAM = f"""
import ctypes, os, sys
if os.readlink("/proc/self/ns/pid") == sys.argv[1]:
    sys.exit({OWN_NAMESPACE})
libc = ctypes.CDLL(None, use_errno=True)
if libc.reboot(0x1234567):
    sys.exit(os.strerror(ctypes.get_errno()))
"""


async def reset_container(container: Container, timeout: float) -> None:
    """Reboot a container at once.

    :raise HypervisorError: it could not be done.
    """
    namespace = await asyncio.to_thread(Path("/proc/self/ns/pid").readlink)
    words = (*container.where, "--elevated-privileges", "--namespaces", "PID", "--", sys.executable, "-I", "-S", "-c",
             PROGRAM, str(namespace))  # fmt: skip
    init = container.first_process()
    answer = await ask("lxc-attach", *words, timeout=timeout)
    if init.alive() and answer.code:
        raise refusal("lxc-attach", words, answer)
    if answer.code == OWN_NAMESPACE:
        raise HypervisorError("the container has no PID namespace of its own", domain=container.uuid)
