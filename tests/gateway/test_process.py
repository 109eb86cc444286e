"""The gateway as a process: it says when it is ready, serves, and stops cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import Broker, bus_settings
from tests.gateway.conftest import Scene, running
from virtbus.bus.connection import Bus
from virtbus.errors import Unavailable
from virtbus.records import JobRecord
from virtbus_gateway.auth import create_token
from virtbus_gateway.main import serve
from virtbus_gateway.settings import GatewaySettings

PROGRAM = """
import sys
import time
from virtbus_gateway.main import run
from virtbus_gateway.settings import GatewaySettings
run(GatewaySettings.model_validate_json(sys.argv[1]), started=lambda url: print(url, flush=True))
"""


@asynccontextmanager
async def process(
    settings: GatewaySettings, notices: Path, watchdog: str = ""
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A gateway of its own; yields its URL."""
    environment = os.environ | {"NOTIFY_SOCKET": str(notices), "WATCHDOG_USEC": watchdog}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, settings.model_dump_json(), stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(20):
            url = (await child.stdout.readline()).decode().strip()
        yield url, child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_it_tells_its_supervisor_serves_and_stops_cleanly(broker: Broker, prefix: str, tmp_path: Path) -> None:
    token = create_token(tmp_path / "tokens", "a", "admin")
    settings = GatewaySettings(http="127.0.0.1:0", token_file=tmp_path / "tokens", bus=bus_settings(broker, prefix))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(tmp_path / "notify"))
        notices.setblocking(False)
        async with process(settings, tmp_path / "notify", "200000") as (url, child):
            async with asyncio.timeout(10):
                said = [(await loop.sock_recv(notices, 4096)).decode() for _ in range(3)]
            assert said[0].startswith("READY=1")
            assert said[1:] == ["WATCHDOG=1", "WATCHDOG=1"]
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
                assert (await client.get("/v1/hosts")).status_code == 200
                memory = Path(f"/proc/{child.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
                print(f"resident: {int(memory) / 1024:.0f} MiB")
                async with client.stream("GET", "/v1/events") as events:
                    child.send_signal(signal.SIGTERM)
                    async with asyncio.timeout(10):
                        text = "".join([part async for part in events.aiter_text()])
                        assert await child.wait() == 0
    assert "come back with your last event id" in text


async def test_answers_are_not_held_back_by_nagle(scene: Scene) -> None:
    client = scene.client()
    await client.get("/v1/hosts")
    took: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        await client.get("/v1/hosts")
        took.append(time.perf_counter() - began)
    # A delayed acknowledgement would cost each of them 40 ms.
    assert min(took) < 0.03


async def test_a_reader_that_waits_for_a_job_is_answered_when_it_stops(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    token = create_token(tmp_path / "tokens", "a", "admin")
    settings = GatewaySettings(http="127.0.0.1:0", token_file=tmp_path / "tokens", bus=bus_settings(broker, prefix))
    bus = await Bus.connect(settings.bus, role="gateway", name="test")
    job = JobRecord(id="11111111-2222-3333-4444-555555555555", operation="domain.start", host="lab-1")
    await bus.queue.accept(job)
    async with running(settings) as (url, stop), httpx.AsyncClient(base_url=url, timeout=20) as client:
        bearer = {"Authorization": f"Bearer {token}"}
        waiting = asyncio.ensure_future(client.get(f"/v1/jobs/{job.id}", params={"wait": 300}, headers=bearer))
        async with asyncio.timeout(10):
            while not (await client.get("/v1/jobs", headers=bearer)).json()["jobs"]:
                pass
        stop.set()
        answer = await waiting
    assert answer.json()["state"] == "accepted"
    await bus.close()


async def test_without_a_bus_it_gives_up_and_leaves_its_address_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unavailable("no server answers")

    monkeypatch.setattr(Bus, "connect", refuse)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(Unavailable):
        await serve(GatewaySettings(http=f"127.0.0.1:{port}", token_file=tmp_path / "t"), stop=asyncio.Event())
    with socket.create_server(("127.0.0.1", port)) as free:
        assert free.getsockname()[1] == port


async def test_a_gateway_lives_through_a_restart_of_the_bus(own_broker: Broker, tmp_path: Path) -> None:
    token = create_token(tmp_path / "tokens", "a", "admin")
    settings = GatewaySettings(http="127.0.0.1:0", token_file=tmp_path / "tokens", bus=bus_settings(own_broker))
    bearer = {"Authorization": f"Bearer {token}"}
    async with running(settings) as (url, _), httpx.AsyncClient(base_url=url, headers=bearer, timeout=20) as client:
        await own_broker.kill()
        async with asyncio.timeout(20):
            while (await client.get("/readyz")).status_code == 200:
                pass
            assert (await client.get("/v1/domains")).status_code == 200
            await own_broker.start()
            while (await client.get("/readyz")).status_code != 200:
                pass
        unknown = await client.get("/v1/jobs/11111111-2222-3333-4444-555555555555")
    assert unknown.status_code == 404
