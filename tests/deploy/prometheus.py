"""A running Virtbus with simulated hosts, and a real Prometheus that scrapes it and reads the alerts."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.deploy.manifests import rules
from tests.stack import end_all

READY_LIMIT = 60.0
LOOK = 0.2
"""Seconds between two looks at something that does not tell by itself."""


class Prometheus:
    """A Prometheus, by its HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def get(self, path: str, **arguments: str) -> Any:
        """The data of an answer.

        :raise AssertionError: Prometheus refuses.
        """
        async with httpx.AsyncClient(base_url=f"{self._url}/api/v1/", timeout=10) as client:
            answer = (await client.get(path, params=arguments)).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now."""
        result: list[dict[str, Any]] = (await self.get("query", query=expression))["result"]
        return result

    async def scraped(self, times: int) -> None:
        """Wait until every target has been asked that often, with success."""
        async with asyncio.timeout(READY_LIMIT):
            while True:
                try:
                    counted = await self.query("count_over_time(up[1h])")
                    healthy = {one["health"] for one in (await self.get("targets"))["activeTargets"]}
                except httpx.TransportError:
                    counted, healthy = [], set()
                if healthy == {"up"} and all(int(one["value"][1]) >= times for one in counted):
                    return
                await asyncio.sleep(LOOK)


@asynccontextmanager
async def virtbus(folder: Path, hosts: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """`virtbus up` with these hosts; yields its ready document."""
    ready = folder / "up.json"
    words = [word for host in hosts for word in ("--host", host)]
    with (folder / "up.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "virtbus", "up", *words, "--state-dir", str(folder / "s"), "--http", "127.0.0.1:0",
            "--ready-file", str(ready), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with asyncio.timeout(READY_LIMIT):
            while not ready.exists():
                assert process.returncode is None, (folder / "up.log").read_text()
                await asyncio.sleep(LOOK)
        yield json.loads(ready.read_text())
    finally:
        await _stop(process)
        await end_all(folder)


@asynccontextmanager
async def prometheus(folder: Path, up: dict[str, Any]) -> AsyncIterator[Prometheus]:
    """A Prometheus that asks a running Virtbus every second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "rules.yml").write_text(yaml.safe_dump(rules()))
    workers = [url.removeprefix("http://").removesuffix("/metrics") for url in up["metrics"].values()]
    gateway = {
        "job_name": "gateway", "honor_labels": True, "authorization": {"credentials_file": up["token_file"]},
        "static_configs": [{"targets": [up["http"].removeprefix("http://")]}],
    }  # fmt: skip
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [gateway, {"job_name": "workers", "static_configs": [{"targets": workers}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    with (folder / "prometheus.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}", stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Prometheus(f"http://{address}")
    finally:
        await _stop(process)


async def exercise(up: dict[str, Any], host: str) -> None:
    """Some jobs on a host, told to a client that follows events."""
    bearer = {"Authorization": f"Bearer {Path(up['token_file']).read_text().strip()}", "Prefer": "wait=20"}
    async with httpx.AsyncClient(base_url=up["http"], headers=bearer, timeout=30) as client:
        found = (await client.get("/v1/domains", params={"host": host})).json()["domains"]
        running = next(domain for domain in found if domain["state"] == "running")
        async with client.stream("GET", "/v1/events") as events:
            for verb in ("suspend", "resume"):
                answer = await client.post(f"/v1/hosts/{host}/domains/{running['uuid']}/{verb}")
                assert answer.status_code < 300, answer.text
            async for line in events.aiter_lines():
                if "resumed" in line:
                    break


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(20):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
