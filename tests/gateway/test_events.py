"""Events over HTTP: as they come, filtered, resumed, and bounded."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.conftest import Broker, bus_settings
from tests.gateway.conftest import HOST, Scene, running
from virtbus.bus.connection import Bus
from virtbus.eventkinds import EventKind
from virtbus.records import Event
from virtbus_gateway.auth import Role, create_token
from virtbus_gateway.http.sse import render
from virtbus_gateway.settings import GatewaySettings


class Stream:
    """What an SSE client reads."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""
        self.comments: list[str] = []

    async def next(self) -> dict[str, Any]:
        """The next event, as its fields; blocks of comments alone are passed over."""
        fields: dict[str, Any] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments.append(line[2:])
                elif name == "id":
                    self.last_id = value
                elif line:
                    fields[name] = value
                elif "data" in fields:
                    return {"event": fields["event"], "id": self.last_id, **json.loads(fields["data"])}
        raise EOFError


@asynccontextmanager
async def following(client: httpx.AsyncClient, **query: Any) -> AsyncIterator[Stream]:
    """A client that has been told it is connected."""
    headers = {"Last-Event-ID": query.pop("resume")} if "resume" in query else {}
    async with client.stream("GET", "/v1/events", params=query, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def event(generation: int, kind: EventKind = EventKind.LIFECYCLE, **fields: Any) -> Event:
    return Event(
        kind=kind, host=fields.pop("host", HOST), family="test", generation=generation, domain=DOMAIN, **fields
    )


DOMAIN = UUID("11111111-2222-3333-4444-555555555555")


async def test_an_event_reaches_the_client_with_its_cursor(scene: Scene) -> None:
    async with following(scene.client("viewer")) as stream:
        reading = asyncio.ensure_future(stream.next())
        await scene.bus.events.publish(event(1, detail={"event": "started", "detail": "booted"}))
        got = await reading
    assert (got["event"], got["kind"], got["host"], got["domain"]) == ("lifecycle", "lifecycle", HOST, str(DOMAIN))
    assert got["detail"] == {"event": "started", "detail": "booted"}
    assert got["id"]


async def test_a_client_resumes_behind_the_last_event_it_saw(scene: Scene) -> None:
    client = scene.client()
    async with following(client) as stream:
        for generation in (1, 2, 3):
            await scene.bus.events.publish(event(generation))
        first = await stream.next()
    async with following(client, resume=first["id"]) as stream:
        assert [(await stream.next())["generation"] for _ in range(2)] == [2, 3]
    async with following(client, cursor=first["id"]) as stream:
        assert (await stream.next())["generation"] == 2


async def test_a_client_that_saw_nothing_yet_resumes_from_where_it_began(scene: Scene) -> None:
    client = scene.client()
    async with client.stream("GET", "/v1/events") as response:
        async for line in response.aiter_lines():
            if line.startswith("id: "):
                cursor = line[4:]
                break
    await scene.bus.events.publish(event(1))
    async with following(client, resume=cursor) as stream:
        assert (await stream.next())["generation"] == 1


async def test_replay_begins_with_the_oldest_event(scene: Scene) -> None:
    for generation in (1, 2):
        await scene.bus.events.publish(event(generation))
    async with following(scene.client(), replay="all") as stream:
        assert [(await stream.next())["generation"] for _ in range(2)] == [1, 2]


async def test_a_foreign_cursor_gives_a_gap_first(scene: Scene) -> None:
    async with following(scene.client(), cursor="Zm9yZWlnbjo1") as stream:
        gap = await stream.next()
        await scene.bus.events.publish(event(1))
        assert (await stream.next())["generation"] == 1
    assert gap["event"] == "gap"


async def test_filters_let_through_what_is_asked_for(scene: Scene) -> None:
    published = [
        event(1),
        event(2, EventKind.DEVICE_REMOVED),
        event(3, EventKind.REBOOT),
        event(4, project="blue"),
        event(5, host="lab-2"),
    ]
    for one in published:
        await scene.bus.events.publish(one)
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({"kind": ["device-removed", "reboot"]}, [2, 3]),
        ({"host": "lab-2"}, [5]),
        ({"project": "blue"}, [4]),
        ({"domain": str(DOMAIN), "kind": "lifecycle"}, [1, 4, 5]),
    ]
    for query, expected in cases:
        async with following(scene.client(), replay="all", **query) as stream:
            assert [(await stream.next())["generation"] for _ in expected] == expected, query


async def test_a_token_gets_only_the_events_it_reaches(scene: Scene) -> None:
    token = create_token(scene.token_file, "narrow", Role.VIEWER, hosts=("lab-2",))
    await scene.bus.events.publish(event(1))
    await scene.bus.events.publish(event(2, host="lab-2"))
    async with following(scene.client(token=token), replay="all") as stream:
        assert (await stream.next())["generation"] == 2


async def test_a_gateway_that_stops_tells_its_clients_to_come_back(scene: Scene) -> None:
    async with following(scene.client()) as stream:
        reading = asyncio.ensure_future(stream.next())
        scene.stop.set()
        await asyncio.wait({reading}, timeout=5)
        assert isinstance(reading.exception(), EOFError)
    assert any("come back with your last event id" in comment for comment in stream.comments)


async def test_a_slow_client_is_cut_off_and_loses_nothing(broker: Broker, prefix: str, bus: Bus, tmp_path: Any) -> None:
    token = create_token(tmp_path / "tokens", "a", Role.VIEWER)
    settings = GatewaySettings(
        http="127.0.0.1:0", token_file=tmp_path / "tokens", bus=bus_settings(broker, prefix), event_queue=3
    )
    big = {"text": "x" * 200_000}
    async with running(settings) as (url, _):
        narrow = socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0))
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**14)
        reader, writer = await asyncio.open_connection(sock=narrow, limit=2**14)
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        await reader.readuntil(b"connected")
        count = 100
        for generation in range(1, count + 1):
            await bus.events.publish(event(generation, detail=big))
        text = b""
        async with asyncio.timeout(60):
            while part := await reader.read(2**20):
                text += part
        writer.close()
        seen = re.findall(rb"id: (\S+)\nevent: lifecycle\ndata: [^\n]*\n\n", text)
        assert 0 < len(seen) < count
        bearer = {"Authorization": f"Bearer {token}"}
        got: list[int] = []
        async with httpx.AsyncClient(base_url=url, headers=bearer) as client:
            last = seen[-1].decode()
            while not got or got[-1] < count:
                async with following(client, resume=last) as stream:
                    try:
                        while not got or got[-1] < count:
                            got.append((await stream.next())["generation"])
                            last = stream.last_id
                    except (EOFError, httpx.RemoteProtocolError):
                        continue
    assert got == list(range(len(seen) + 1, count + 1))


async def test_an_event_is_handed_on_within_milliseconds(scene: Scene) -> None:
    delays: list[float] = []
    async with following(scene.client()) as stream:
        for generation in range(1, 31):
            reading = asyncio.ensure_future(stream.next())
            await scene.bus.events.publish(event(generation))
            stored = time.perf_counter()
            await reading
            delays.append(time.perf_counter() - stored)
    print(f"from the acknowledged event to the client: median {sorted(delays)[15] * 1000:.2f} ms")
    assert len(delays) == 30


def test_an_event_is_one_line_of_data() -> None:
    text = render("c", Event(kind=EventKind.JOB, host=HOST, family="test", domain=uuid4(), detail={"a": "b\nc\r\n"}))
    assert text.count(b"\n") == 4
    assert text.endswith(b"\n\n")
