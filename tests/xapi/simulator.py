"""A fake of XAPI: one host's pool behind JSON-RPC 2.0 over TLS, faithful on the wire, without a hypervisor.

    python -m tests.xapi.simulator FOLDER PORT

It keeps its certificate and password in FOLDER and outlives the workers that speak to it. A VM whose name ends in
`.deaf-guest` never answers. Beyond XAPI, `simulator.befall` lets something happen to a VM that nobody asked for.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import ssl
import sys
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Record = dict[str, Any]
PASSWORD = "secret of the pool"
NULL = "OpaqueRef:NULL"
DEAF = ".deaf-guest"
DETACH_SECONDS = 0.2
"""After which the pool gives up on a guest that does not let go; the real one waits longer."""


class Failure(Exception):
    """An error as XAPI tells it."""

    def __init__(self, *words: str) -> None:
        super().__init__(*words)
        self.words = list(words)


class Pool:
    """The pool's database, its tasks and its stream of events."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Record]] = {
            name: {} for name in ("VM", "VBD", "VIF", "VDI", "SR", "network", "host", "pool", "task", "message")
        }
        self.sessions: set[str] = set()
        self.changes: list[tuple[int, str, str, str]] = []
        self.count = 0
        self.changed = asyncio.Condition()
        self.domids = itertools.count(1)
        self.works: dict[str, asyncio.Task[None]] = {}
        self.hung: set[str] = set()

    # ---- the database ----

    def add(self, table: str, record: Record) -> str:
        ref = f"OpaqueRef:{uuid4()}"
        self.tables[table][ref] = {"uuid": str(uuid4()), **record}
        self.tell(table, ref, "add")
        return ref

    def get(self, table: str, ref: str) -> Record:
        if ref not in self.tables[table]:
            raise Failure("HANDLE_INVALID", table, ref)
        return self.tables[table][ref]

    def remove(self, table: str, ref: str) -> None:
        self.get(table, ref)
        del self.tables[table][ref]
        self.tell(table, ref, "del")

    def tell(self, table: str, ref: str, operation: str = "mod") -> None:
        self.count += 1
        self.changes.append((self.count, table.lower(), ref, operation))
        task = asyncio.get_running_loop().create_task(self._wake())
        self.works[f"wake{self.count}"] = task
        task.add_done_callback(lambda _, name=f"wake{self.count}": self.works.pop(name, None))

    async def _wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    # ---- events ----

    async def events(self, classes: list[str], token: str, seconds: float) -> Record:
        since = int(token or 0)
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            seen, found = self.count, self._since(classes, since, everything=not token)
            left = deadline - asyncio.get_running_loop().time()
            if found or not token or left <= 0:
                return {"events": found, "token": str(seen), "valid_ref_counts": {}}
            try:
                async with asyncio.timeout(left), self.changed:
                    await self.changed.wait_for(lambda seen=seen: self.count > seen)
            except TimeoutError:
                continue

    def _since(self, classes: list[str], since: int, *, everything: bool) -> list[Record]:
        latest: dict[tuple[str, str], tuple[int, str]] = {}
        for number, table, ref, operation in self.changes:
            if number > since and (table in classes or "*" in classes or f"{table}/{ref}" in classes):
                latest[table, ref] = (number, operation)
        tables = {name.lower(): name for name in self.tables}
        return [
            {
                "id": str(number), "timestamp": "0.0", "class": table, "operation": operation, "ref": ref,
                **({"snapshot": dict(self.tables[tables[table]][ref])} if ref in self.tables[tables[table]] else {}),
            }
            for (table, ref), (number, operation) in latest.items()
            if not (everything and operation == "del")
        ]  # fmt: skip

    # ---- tasks ----

    def begin(self, action: Callable[[], Awaitable[Any]]) -> str:
        ref = self.add("task", {"status": "pending", "error_info": [], "result": "", "name_label": "Async"})

        async def work() -> None:
            record = self.tables["task"][ref]
            try:
                record["result"] = str(await action() or "")
                record["status"] = "success"
            except Failure as failure:
                record["status"], record["error_info"] = "failure", failure.words
            except asyncio.CancelledError:
                record["status"] = "cancelled"
            self.works.pop(ref, None)
            if ref in self.tables["task"]:
                self.tell("task", ref)

        self.works[ref] = asyncio.get_running_loop().create_task(work())
        return ref

    # ---- machines ----

    def power(self, ref: str, *needed: str) -> Record:
        vm = self.get("VM", ref)
        if needed and vm["power_state"] not in needed:
            raise Failure("VM_BAD_POWER_STATE", ref, needed[0].lower(), vm["power_state"].lower())
        return vm

    def turn(self, ref: str, state: str) -> None:
        vm = self.get("VM", ref)
        if state == "Halted":
            vm["domid"] = "-1"
        elif vm["power_state"] == "Halted":
            vm["domid"] = str(next(self.domids))
        for table in ("VBD", "VIF"):
            for device in self.tables[table].values():
                if device["VM"] == ref:
                    device["currently_attached"] = state != "Halted"
        vm["power_state"] = state
        self.tell("VM", ref)

    def restart(self, ref: str) -> None:
        self.get("VM", ref)["domid"] = str(next(self.domids))
        self.tell("VM", ref)

    def message(self, ref: str, name: str) -> None:
        moment = datetime.datetime.now(datetime.UTC).isoformat()
        self.add("message", {"name": name, "cls": "VM", "obj_uuid": self.get("VM", ref)["uuid"], "timestamp": moment})

    async def answer(self, ref: str) -> None:
        """Wait for the guest; forever where it does not answer."""
        if self.get("VM", ref)["name_label"].endswith(DEAF):
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)

    async def respond(self, ref: str) -> None:
        """Wait for the machine's own process."""
        if ref in self.hung:
            await asyncio.Event().wait()


class Xapi:
    """XAPI's methods."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def call(self, method: str, arguments: list[Any]) -> Any:
        if method == "session.login_with_password":
            if arguments[1] != PASSWORD:
                raise Failure("SESSION_AUTHENTICATION_FAILED", arguments[0], "Authentication failure")
            session = f"OpaqueRef:{uuid4()}"
            self.pool.sessions.add(session)
            return session
        session, *rest = arguments
        if session not in self.pool.sessions:
            raise Failure("SESSION_INVALID", str(session))
        if method == "session.logout":
            self.pool.sessions.discard(session)
            return ""
        if method.startswith("Async."):
            return self.pool.begin(lambda: self._do(method.removeprefix("Async."), rest))
        return await self._do(method, rest)

    async def _do(self, method: str, arguments: list[Any]) -> Any:
        own = getattr(self, method.replace(".", "_"), None)
        if own is not None:
            return await own(*arguments)
        table, _, verb = method.partition(".")
        if table not in self.pool.tables:
            raise Failure("MESSAGE_METHOD_UNKNOWN", method)
        return self._usual(table, verb, arguments, method)

    def _usual(self, table: str, verb: str, arguments: list[Any], method: str) -> Any:
        """What XAPI has for every class."""
        pool = self.pool
        if verb == "get_all_records":
            return dict(pool.tables[table])
        if verb == "get_by_name_label":
            return [ref for ref, each in pool.tables[table].items() if each.get("name_label") == arguments[0]]
        record = pool.get(table, arguments[0])
        if verb == "get_record":
            return dict(record)
        if verb == "destroy":
            pool.remove(table, arguments[0])
            return ""
        if verb == "add_to_other_config":
            if arguments[1] in record["other_config"]:
                raise Failure("MAP_DUPLICATE_KEY", table, "other_config", arguments[0], arguments[1])
            record["other_config"][arguments[1]] = arguments[2]
        elif verb == "remove_from_other_config":
            record["other_config"].pop(arguments[1], None)
        elif verb.startswith("get_") and verb.removeprefix("get_") in record:
            return record[verb.removeprefix("get_")]
        else:
            raise Failure("MESSAGE_METHOD_UNKNOWN", method)
        pool.tell(table, arguments[0])
        return ""

    async def event_from(self, classes: list[str], token: str, seconds: float) -> Record:
        return await self.pool.events(classes, token, seconds)

    async def task_cancel(self, ref: str) -> str:
        self.pool.get("task", ref)
        if ref in self.pool.works:
            self.pool.works[ref].cancel()
        return ""

    async def message_get(self, cls: str, uuid: str, since: str) -> Record:
        return {ref: each for ref, each in self.pool.tables["message"].items() if each["obj_uuid"] == uuid}

    # ---- VM ----

    async def VM_create(self, record: Record) -> str:  # noqa: N802  XAPI's name
        rest = {"power_state": "Halted", "domid": "-1", "is_control_domain": False, "is_a_snapshot": False}
        return self.pool.add("VM", {**record, **rest})

    async def VM_destroy(self, ref: str) -> str:  # noqa: N802
        self.pool.power(ref, "Halted")
        for table in ("VBD", "VIF"):
            for device in [key for key, each in self.pool.tables[table].items() if each["VM"] == ref]:
                self.pool.remove(table, device)
        self.pool.remove("VM", ref)
        return ""

    async def VM_start(self, ref: str, paused: bool, force: bool) -> str:  # noqa: N802
        self.pool.power(ref, "Halted")
        self.pool.turn(ref, "Paused" if paused else "Running")
        return ""

    async def VM_clean_shutdown(self, ref: str) -> str:  # noqa: N802
        self.pool.power(ref, "Running")
        await self.pool.answer(ref)
        self.pool.turn(ref, "Halted")
        self.pool.message(ref, "VM_SHUTDOWN")
        return ""

    async def VM_clean_reboot(self, ref: str) -> str:  # noqa: N802
        self.pool.power(ref, "Running")
        await self.pool.answer(ref)
        self.pool.restart(ref)
        return ""

    async def VM_hard_shutdown(self, ref: str) -> str:  # noqa: N802
        self.pool.power(ref, "Running", "Paused")
        self.pool.hung.discard(ref)
        self.pool.turn(ref, "Halted")
        return ""

    async def VM_hard_reboot(self, ref: str) -> str:  # noqa: N802
        self.pool.power(ref, "Running", "Paused")
        self.pool.restart(ref)
        return ""

    async def VM_pause(self, ref: str) -> str:  # noqa: N802
        self.pool.power(ref, "Running")
        await self.pool.respond(ref)
        self.pool.turn(ref, "Paused")
        return ""

    async def VM_unpause(self, ref: str) -> str:  # noqa: N802
        self.pool.power(ref, "Paused")
        await self.pool.respond(ref)
        self.pool.turn(ref, "Running")
        return ""

    async def VM_set_VCPUs_number_live(self, ref: str, count: str) -> str:  # noqa: N802
        self.pool.power(ref, "Running", "Paused")["VCPUs_at_startup"] = count
        return ""

    async def VM_set_memory_dynamic_range(self, ref: str, least: str, most: str) -> str:  # noqa: N802
        self.pool.get("VM", ref).update(memory_dynamic_min=least, memory_dynamic_max=most)
        self.pool.tell("VM", ref)
        return ""

    async def VM_get_VBDs(self, ref: str) -> list[str]:  # noqa: N802
        return [key for key, each in self.pool.tables["VBD"].items() if each["VM"] == ref]

    async def VM_get_VIFs(self, ref: str) -> list[str]:  # noqa: N802
        return [key for key, each in self.pool.tables["VIF"].items() if each["VM"] == ref]

    async def VM_get_allowed_VIF_devices(self, ref: str) -> list[str]:  # noqa: N802
        taken = {each["device"] for each in self.pool.tables["VIF"].values() if each["VM"] == ref}
        return [str(number) for number in range(8) if str(number) not in taken]

    # ---- devices ----

    async def VBD_create(self, record: Record) -> str:  # noqa: N802
        return self._device("VBD", "userdevice", record)

    async def VIF_create(self, record: Record) -> str:  # noqa: N802
        return self._device("VIF", "device", record)

    def _device(self, table: str, key: str, record: Record) -> str:
        if any(each["VM"] == record["VM"] and each[key] == record[key] for each in self.pool.tables[table].values()):
            raise Failure("DEVICE_ALREADY_EXISTS", record[key])
        return self.pool.add(table, {**record, "currently_attached": False})

    async def VIF_set_locking_mode(self, ref: str, mode: str) -> str:  # noqa: N802
        self.pool.get("VIF", ref)["locking_mode"] = mode
        self.pool.tell("VIF", ref)
        return ""

    async def VBD_plug(self, ref: str) -> str:  # noqa: N802
        return self._plug("VBD", ref)

    async def VIF_plug(self, ref: str) -> str:  # noqa: N802
        return self._plug("VIF", ref)

    def _plug(self, table: str, ref: str) -> str:
        device = self.pool.get(table, ref)
        self.pool.power(device["VM"], "Running", "Paused")
        device["currently_attached"] = True
        self.pool.tell(table, ref)
        return ""

    async def VBD_unplug(self, ref: str) -> str:  # noqa: N802
        return await self._unplug("VBD", ref)

    async def VIF_unplug(self, ref: str) -> str:  # noqa: N802
        return await self._unplug("VIF", ref)

    async def _unplug(self, table: str, ref: str) -> str:
        device = self.pool.get(table, ref)
        try:
            async with asyncio.timeout(DETACH_SECONDS):
                await self.pool.answer(device["VM"])
        except TimeoutError:
            raise Failure("DEVICE_DETACH_TIMEOUT", table, ref) from None
        device["currently_attached"] = False
        self.pool.tell(table, ref)
        return ""

    async def VBD_unplug_force(self, ref: str) -> str:  # noqa: N802
        self.pool.get("VBD", ref)["currently_attached"] = False
        return ""

    async def VIF_unplug_force(self, ref: str) -> str:  # noqa: N802
        self.pool.get("VIF", ref)["currently_attached"] = False
        return ""

    # ---- what nobody asked for ----

    async def simulator_befall(self, uuid: str, what: str) -> str:
        machines = self.pool.tables["VM"].items()
        ref = next(ref for ref, each in machines if each["other_config"].get("virtbus-uuid") == uuid)
        if what == "dies":
            self.pool.message(ref, "VM_CRASHED")
            self.pool.turn(ref, "Halted")
        elif what == "pauses":
            self.pool.turn(ref, "Paused")
        elif what == "resets":
            self.pool.restart(ref)
        else:
            self.pool.hung.add(ref)
        return ""


def furnished() -> Pool:
    """A pool with a master, a storage repository with images, and a network."""
    pool = Pool()
    host = pool.add("host", {
        "hostname": "xcp1", "capabilities": ["xen-3.0-x86_64", "hvm-3.0-x86_64"], "other_config": {"boot_time": "1."},
        "software_version": {"product_brand": "XCP-ng", "product_version": "8.3.0", "xen": "4.17.5"},
    })  # fmt: skip
    pool.add("pool", {"name_label": "", "master": host})
    repository = pool.add("SR", {"name_label": "local"})
    for name in ("root", "data"):
        pool.add("VDI", {"name_label": name, "SR": repository, "virtual_size": str(1 << 20)})
    pool.add("network", {"name_label": "Pool-wide network", "bridge": "xenbr0"})
    return pool


def application(xapi: Xapi) -> Starlette:
    """The HTTP side."""

    async def answer(request: Request) -> JSONResponse:
        asked = await request.json()
        said: Record = {"jsonrpc": "2.0", "id": asked["id"]}
        try:
            said["result"] = await xapi.call(asked["method"], asked["params"])
        except Failure as failure:
            said["error"] = {"code": 1, "message": failure.words[0], "data": failure.words[1:]}
        return JSONResponse(said)

    return Starlette(routes=[Route("/jsonrpc", answer, methods=["POST"])])


def certify(folder: Path) -> None:
    """Write a certificate for 127.0.0.1, its key, and the password."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "xcp1")])
    moment = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(days=1)).not_valid_after(moment + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "pool.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "pool.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    (folder / "pool.password").write_text(PASSWORD + "\n")


async def serve(folder: Path, port: int) -> None:
    """Serve until ended."""
    config = uvicorn.Config(
        application(Xapi(furnished())), host="127.0.0.1", port=port, log_level="error",
        ssl_certfile=str(folder / "pool.pem"), ssl_keyfile=str(folder / "pool.key"),
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )  # fmt: skip
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
