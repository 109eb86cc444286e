"""One scene for all rows: each leaves it as it found it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.badinput.scene import HOST, OTHER, SECONDS, Scene, prepare
from tests.stack import Host, Stack
from virtbus_gateway.auth import Role

SMALL = 8
"""MiB of the file system on which the runtime folder lies, where one may be mounted."""


def mounted(path: Path) -> bool:
    """Mount a small file system there, if this may be done."""
    path.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "tmpfs", str(path)], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.fixture(scope="session")
def small_disk() -> list[Path]:
    """Where a small file system is mounted; empty where that may not be done."""
    return []


@pytest.fixture(scope="session")
async def scene(small_disk: list[Path]) -> AsyncIterator[Scene]:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.fail("QEMU is not installed (Debian: apt install qemu-system-x86)")

    def prepared(folder: Path) -> None:
        prepare(folder)
        run = folder / "r" / HOST
        if mounted(run):
            small_disk.append(run)

    hosts = [Host(HOST, "qemu:///system", {"emulator": "{folder}/qemu"}), Host(OTHER, "simulated:///default")]
    try:
        async with Stack.running(hosts, prepared) as stack, stack.client() as client:
            bearer = {"Authorization": f"Bearer {stack.tokens[Role.ADMIN]}"}
            async with httpx.AsyncClient(base_url=stack.url, headers=bearer, timeout=SECONDS) as http:
                scene = Scene(stack, client, http)
                await scene.populate()
                yield scene
    finally:
        for path in small_disk:
            subprocess.run(["umount", str(path)], check=False, capture_output=True)
            shutil.rmtree(path.parents[1], ignore_errors=True)
