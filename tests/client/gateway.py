"""A fake gateway: a real HTTP server on loopback that speaks the declared face from memory, and breaks as told.

It reads every request by the operation's own declaration, so a request that does not fit one is refused as the real
gateway refuses it. Jobs end at once, unless `outcomes` says otherwise.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from virtbus.errors import Ambiguous, InvalidArgument, KeyReused, NoDomain, NoHost, NoJob, Unauthenticated, VirtbusError
from virtbus.names import new_job_id
from virtbus.operations import OPERATIONS, Kind, Operation
from virtbus.records import Event, HostRecord, JobRecord, JobState, Progress

TOKEN = "open-sesame"
PNG = b"\x89PNG\r\n\x1a\n and so on"
HELD = "held"
"""An outcome: the job runs until `end` is called."""
LOST_BEFORE, LOST_AFTER, BUSY = "lost-before", "lost-after", "busy"
"""Faults: the connection breaks before or after the request took effect; the answer is 503."""


class FakeGateway:
    """One gateway with one or more hosts; everything a test asserts on is an attribute."""

    def __init__(self) -> None:
        self.hosts = {"alpha": HostRecord(name="alpha", family="simulated", uri="test:///default", version="T 1.0")}
        self.domains: dict[tuple[str, UUID], dict[str, Any]] = {}
        self.devices: list[dict[str, Any]] = []
        self.jobs: dict[str, JobRecord] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.performed: list[Operation[Any]] = []
        self.faults: deque[str] = deque()
        self.outcomes: dict[str, Any] = {}
        self.asked_for_a_job = threading.Event()
        """Set once a client knows a job's id and asks for its end."""
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.events: list[Event] = []
        self.break_after: deque[int] = deque()
        """After how many events each connection to the event stream ends; then never."""
        self.while_broken: list[Event] = []
        """Events that happen after such an end, before the client is back."""
        self.oldest = 0
        self.lagging = False
        """Lists show only what min_revision makes them wait for."""
        self.revision = 0
        self._digests: dict[str, bytes] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._changed = asyncio.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looping = threading.Event()
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._looping.wait(10)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def add_domain(self, name: str, host: str = "alpha", uuid: UUID | None = None, **more: Any) -> UUID:
        uuid = uuid or uuid4()
        self.revision += 1
        self.domains[host, uuid] = {
            "host": host, "uuid": str(uuid), "name": name, "family": "simulated", "id": None, "state": "shutoff",
            "reason": "unknown", "persistent": True, "autostart": False, "project": "default", "labels": {}, "vcpus": 2,
            "memory": 1048576, "generation": 1, "pending": [], "changed": "2024-05-01T10:00:00Z",
        } | more | {"revision": self.revision}  # fmt: skip
        return uuid

    def add_event(self, event: Event) -> None:
        async def add() -> None:
            self.events.append(event)
            await self._notify()

        self._call(add())

    def end(self, job_id: str, **change: Any) -> None:
        """Change a held job's record."""

        async def apply() -> None:
            self.jobs[job_id] = self.jobs[job_id].model_copy(update=change)
            await self._notify()

        self._call(apply())

    def sent(self, method: str, path: str = "") -> list[dict[str, str]]:
        """The headers of the requests of that method whose path contains `path`."""
        return [headers for verb, where, headers in self.requests if verb == method and path in where]

    def _call(self, coroutine: Any) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._looping.set()
            runner.run(self._server.serve(sockets=[self._socket]))

    # The face.

    def _app(self) -> Starlette:
        routes = [Route("/v1/events", self._watch), Route("/v1/domains/{domain}", self._by_uuid)]
        for operation in OPERATIONS.values():
            method, path = operation.http.split(" ", 1)
            routes.append(Route(path, self._endpoint(operation), methods=[method]))
        return Starlette(routes=routes)

    def _endpoint(self, declared: type[Operation[Any]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.requests.append((request.method, request.url.path, dict(request.headers)))
            fault = self.faults.popleft() if self.faults else None
            if fault == BUSY:
                return _problem(VirtbusError.from_reply(_unavailable("alpha")))
            if fault == LOST_BEFORE:
                return _broken()
            answer = await self._answer(declared, request)
            return _broken() if fault == LOST_AFTER else answer

        return endpoint

    async def _answer(self, declared: type[Operation[Any]], request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Unauthenticated("no such token", hint="virtbus token create makes one")
            operation, limit = await _parse(declared, request)
            if getattr(operation, "host", None) not in {None, *self.hosts}:
                raise NoHost("no such host", host=operation.where()[0])
            if declared.kind is Kind.JOB:
                return await self._accept(operation, limit, request)
            return await self._read(operation)
        except VirtbusError as error:
            return _problem(error)

    async def _accept(self, operation: Operation[Any], limit: float | None, request: Request) -> Response:
        host, domain = operation.where()
        if domain is not None and (host, domain) not in self.domains:
            raise NoDomain("no such domain", host=host, domain=domain)
        job_id = new_job_id("someone", request.headers.get("idempotency-key"))
        body = await request.body()
        if self._digests.setdefault(job_id, body) != body:
            raise KeyReused("this key came with another request")
        if job_id not in self.jobs:
            self._perform(job_id, operation, limit or operation.timeout)
        found = re.fullmatch(r"wait=([\d.]+)", request.headers.get("prefer", ""))
        record = await self._ended(job_id, float(found[1]) if found else 0)
        return _json(record, status=200 if found and record.state.ended else 202)

    def _perform(self, job_id: str, operation: Operation[Any], limit: float) -> None:
        self.performed.append(operation)
        host, domain = operation.where()
        record = JobRecord(
            id=job_id, operation=operation.name, host=host or "", domain=domain, timeout=limit, state=JobState.SUCCEEDED
        )
        outcome = self.outcomes.get(operation.name)
        if isinstance(outcome, VirtbusError):
            record = record.model_copy(update={"state": JobState.FAILED, "error": outcome.at(host, domain).reply()})
        elif outcome == HELD:
            progress = Progress(phase="waiting for the guest")
            record = record.model_copy(update={"state": JobState.RUNNING, "progress": progress})
        else:
            result = outcome or self._effect(operation)
            record = record.model_copy(update={"result": result, "revision": self.revision})
        self.jobs[job_id] = record

    def _effect(self, operation: Operation[Any]) -> dict[str, Any]:
        """A result of the declared shape."""
        host, domain = operation.where()
        if operation.name in ("domain.define", "domain.create"):
            name = re.search(r"<name>(.*?)</name>", operation.model_dump()["xml"])
            assert name is not None
            domain = self.add_domain(name[1], host or "alpha")
        record = self.domains.get((host or "", domain or UUID(int=0)), {})
        if operation.name == "snapshot.create":
            return {"name": operation.model_dump()["snapshot"]}
        if operation.name == "domain.clone":
            return {"uuid": str(domain), "name": operation.model_dump()["copy_name"]}
        words = {
            "uuid": str(domain), "name": record.get("name", ""), "state": "running", "reason": "booted", "id": 1,
            "vcpus": 2, "memory": 1048576, "alias": "ua-1", "xml": "<disk/>", "outcome": "removed", "reply": {"ok": 1},
            "status": 3, "output": "out\n", "errors": "err\n",
        }  # fmt: skip
        return {name: words[name] for name in operation.result.model_fields if name in words}

    async def _read(self, operation: Operation[Any]) -> Response:
        custom = self.answers.get(operation.name)
        name = operation.name.replace(".", "_").replace("-", "_")
        answer = custom(operation) if custom else await getattr(self, name)(operation)
        if operation.media:
            return Response(answer, media_type=operation.media)
        return _json(answer)

    async def host_list(self, operation: Any) -> Any:
        return {"hosts": [self._host(name) for name in sorted(self.hosts)]}

    async def host_get(self, operation: Any) -> Any:
        return self._host(operation.host)

    def _host(self, name: str) -> dict[str, Any]:
        domains = [domain for (host, _), domain in self.domains.items() if host == name]
        running = [domain for domain in domains if domain["state"] == "running"]
        return {
            "record": self.hosts[name].model_dump(mode="json"), "served": True, "last_seen": "2024-05-01T10:00:00Z",
            "domains": len(domains), "running": len(running),
        }  # fmt: skip

    async def host_capabilities(self, operation: Any) -> Any:
        return "<capabilities/>"

    async def host_stats(self, operation: Any) -> Any:
        active = [domain for (host, _), domain in self.domains.items() if host == operation.host]
        return {"domains": [self._stats(domain) for domain in active]}

    async def domain_stats(self, operation: Any) -> Any:
        return self._stats(self._domain(operation))

    def _stats(self, domain: dict[str, Any]) -> dict[str, Any]:
        stats = {"state.state": 1, "cpu.time": 10**9, "balloon.current": 524288, "vcpu.current": 2}
        return {"uuid": domain["uuid"], "name": domain["name"], "stats": stats}

    async def domain_list(self, operation: Any) -> Any:
        shown = [
            domain for key, domain in sorted(self.domains.items())
            if operation.host in (None, domain["host"])
            and operation.state in (None, domain["state"])
            and operation.domain_name in (None, domain["name"])
            and (not self.lagging or domain["revision"] <= operation.min_revision)
        ]  # fmt: skip
        start = int(operation.cursor or 0)
        end = start + operation.limit
        cursor = str(end) if end < len(shown) else None
        return {"domains": shown[start:end], "cursor": cursor, "revision": self.revision}

    async def domain_get(self, operation: Any) -> Any:
        return self._domain(operation)

    async def domain_xml(self, operation: Any) -> Any:
        return f"<domain><name>{self._domain(operation)['name']}</name></domain>\n"

    async def domain_screenshot(self, operation: Any) -> Any:
        return PNG

    async def snapshot_list(self, operation: Any) -> Any:
        self._domain(operation)
        return {"snapshots": [{"name": "before", "description": "an upgrade", "current": True}]}

    async def storage_pools(self, operation: Any) -> Any:
        pool = {"name": "fast", "type": "dir", "active": True, "capacity": 100, "available": 40, "location": "/fast"}
        return {"pools": [pool]}

    async def storage_volumes(self, operation: Any) -> Any:
        image = {"name": "a.qcow2", "path": "/fast/a.qcow2", "format": "qcow2", "capacity": 10, "allocation": 5}
        return {"volumes": [image]}

    async def host_domain_capabilities(self, operation: Any) -> Any:
        return "<domainCapabilities/>"

    async def host_compare_cpu(self, operation: Any) -> Any:
        return {"result": "superset"}

    async def host_baseline_cpu(self, operation: Any) -> Any:
        return "<cpu/>"

    async def network_list(self, operation: Any) -> Any:
        return {"networks": [{"name": "lan", "type": "bridge", "bridge": "br0", "vlan": 7}]}

    async def device_list(self, operation: Any) -> Any:
        self._domain(operation)
        wanted = operation.device_kind
        return {"devices": [device for device in self.devices if wanted in (None, device["kind"])]}

    def _domain(self, operation: Any) -> dict[str, Any]:
        if (operation.host, operation.domain) not in self.domains:
            raise NoDomain("no such domain", host=operation.host, domain=operation.domain)
        return self.domains[operation.host, operation.domain]

    async def job_list(self, operation: Any) -> Any:
        jobs = [job for job in self.jobs.values() if operation.state in (None, job.state)]
        return {"jobs": [job.model_dump(mode="json") for job in jobs]}

    async def job_get(self, operation: Any) -> Any:
        self.asked_for_a_job.set()
        return await self._ended(operation.job, operation.wait)

    async def job_cancel(self, operation: Any) -> Any:
        record = self.jobs.get(operation.job)
        if record is None:
            raise NoJob(f"no job {operation.job}")
        if not record.state.ended:
            self.jobs[record.id] = record.model_copy(update={"state": JobState.CANCELLED})
            await self._notify()
        return self.jobs[record.id]

    async def _ended(self, job_id: str, wait: float) -> JobRecord:
        if job_id not in self.jobs:
            raise NoJob(f"no job {job_id}")
        try:
            async with asyncio.timeout(wait), self._changed:
                await self._changed.wait_for(lambda: self.jobs[job_id].state.ended)
        except TimeoutError:
            pass  # Then the record says how far it is.
        return self.jobs[job_id]

    async def _by_uuid(self, request: Request) -> Response:
        uuid = UUID(request.path_params["domain"])
        found = [domain for (_, each), domain in self.domains.items() if each == uuid]
        if len(found) == 1:
            return _json(found[0])
        if not found:
            return _problem(NoDomain("no such domain", domain=uuid))
        candidates = [f"/v1/hosts/{domain['host']}/domains/{uuid}" for domain in found]
        return _problem(Ambiguous("several hosts have it", domain=uuid, evidence={"candidates": candidates}))

    async def _watch(self, request: Request) -> Response:
        self.requests.append((request.method, str(request.url), dict(request.headers)))
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _problem(Unauthenticated("no such token"))
        return StreamingResponse(self._stream(request), media_type="text/event-stream")

    async def _stream(self, request: Request) -> AsyncIterator[str]:
        kinds, given = request.query_params.getlist("kind"), request.headers.get("last-event-id")
        place = 0 if request.query_params.get("replay") else int(given) if given else len(self.events)
        left = self.break_after.popleft() if self.break_after else -1
        yield f"id: {place}\n\n"
        if place < self.oldest:
            place = self.oldest
            yield _block(place, Event(kind="gap", host="", family=""))
        while left:
            async with self._changed:
                while len(self.events) <= place:
                    await self._changed.wait()
            event = self.events[place]
            place += 1
            if not kinds or event.kind in kinds:
                yield _block(place, event)
                left -= 1
        self.events += self.while_broken
        self.while_broken = []


async def _parse(declared: type[Operation[Any]], request: Request) -> tuple[Operation[Any], float | None]:
    """The operation in a request and the job's time limit."""
    fields: dict[str, Any] = dict(request.path_params)
    query = request.query_params
    lists = {field.alias or name for name, field in declared.model_fields.items() if "list[" in str(field.annotation)}
    fields |= {name: query.getlist(name) if name in lists else query[name] for name in query}
    limit = fields.pop("timeout", None)
    if declared.body:
        assert request.headers["content-type"] == "application/xml"
        body = await request.body()
        encoding = re.match(rb"<\?xml.*?encoding='(.*?)'", body)
        fields[declared.body] = body.decode(encoding[1].decode() if encoding else "utf-8")
    elif request.method in ("POST", "PUT"):
        fields |= await request.json()
    try:
        return declared.model_validate(fields), None if limit is None else float(limit)
    except ValidationError as error:
        raise InvalidArgument(str(error)) from error


def _json(answer: Any, status: int = 200) -> Response:
    content = answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer
    return JSONResponse(content, status)


def _problem(error: VirtbusError) -> Response:
    reply = error.reply().model_dump(mode="json")
    where = [f"{what} {reply[what]}" for what in ("host", "domain") if reply[what]]
    plain = reply.pop("message")
    detail = f"{', '.join(where)}: {plain}" if where else plain
    problem = reply | {"type": f"urn:virtbus:error:{reply.pop('kind')}", "detail": detail}
    return Response(json.dumps(problem), error.status, media_type="application/problem+json")


def _unavailable(host: str) -> Any:
    from virtbus.errors import Unavailable

    return Unavailable("the host's worker is out of reach", host=host).reply()


def _broken() -> Response:
    """An answer that promises more than it has: the server closes the connection in the middle of it."""
    return Response(b"{", headers={"content-length": "1000"}, media_type="application/json")


def _block(cursor: int, event: Event) -> str:
    # A test may give an event a kind that no version knows.
    document = event.model_dump_json(warnings=False)
    return f"id: {cursor}\nevent: {event.kind}\ndata: {document}\n\n"
