"""Bad input at HTTP's border: each gets its error with libvirt's code, and nothing is accepted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.gateway.conftest import DISK_XML, HOST, Scene, domain_xml
from virtbus.operations import OPERATIONS

UUID_ = UUID("11111111-2222-3333-4444-555555555555")
XML = {"Content-Type": "application/xml"}
DOMAINS = f"/v1/hosts/{HOST}/domains"
DOMAIN = f"{DOMAINS}/{UUID_}"


@dataclass
class Bad:
    """A request that must be refused."""

    title: str
    method: str
    path: str
    status: int
    code: str
    kind: str
    says: str = ""
    """What the detail must have in it."""
    request: dict[str, Any] = field(default_factory=dict)


def xml(text: str | bytes) -> dict[str, Any]:
    return {"content": text, "headers": XML}


LAUGHS = "<!DOCTYPE d [<!ENTITY a 'ha'>]><domain type='test'><name>&a;</name></domain>"
BAD = [
    Bad("unknown address", "GET", "/v1/nothing", 404, "INTERNAL_ERROR", "NotFound", "/v1/nothing"),
    Bad("wrong method", "PATCH", DOMAIN, 405, "INVALID_ARG", "InvalidArgument", "PATCH"),
    Bad("unknown host", "POST", f"/v1/hosts/nowhere/domains/{UUID_}/start", 404, "NO_CONNECT", "NoHost", "nowhere"),
    Bad("host name that cannot be", "GET", "/v1/hosts/No!", 400, "INVALID_ARG", "InvalidArgument", "host"),
    Bad("unknown domain", "POST", f"{DOMAINS}/{uuid4()}/start", 404, "NO_DOMAIN", "NoDomain", HOST),
    Bad("unknown domain by shorthand", "DELETE", f"/v1/domains/{uuid4()}", 404, "NO_DOMAIN", "NoDomain"),
    Bad("domain by its name", "GET", f"{DOMAINS}/web", 400, "INVALID_ARG", "InvalidArgument", "web"),
    Bad("unknown job", "GET", f"/v1/jobs/{uuid4()}", 404, "INVALID_ARG", "NoJob"),
    Bad("job id that cannot be", "GET", "/v1/jobs/x.>", 400, "INVALID_ARG", "InvalidArgument", "job"),
    Bad("cancel of an unknown job", "POST", f"/v1/jobs/{uuid4()}/cancel", 404, "INVALID_ARG", "NoJob"),
    Bad("unknown argument", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "fast",
        {"json": {"fast": True}}),
    Bad("argument of the wrong type", "POST", f"{DOMAIN}/vcpus", 400, "INVALID_ARG", "InvalidArgument", "count",
        {"json": {"count": "many"}}),
    Bad("argument out of range", "POST", f"{DOMAIN}/vcpus", 400, "INVALID_ARG", "InvalidArgument", "count",
        {"json": {"count": 0}}),
    Bad("missing argument", "POST", f"{DOMAIN}/vcpus", 400, "INVALID_ARG", "InvalidArgument", "count"),
    Bad("argument said twice", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "paused",
        {"params": {"paused": "1"}, "json": {"paused": True}}),
    Bad("query argument said twice", "GET", "/v1/domains", 400, "INVALID_ARG", "InvalidArgument", "state",
        {"params": [("state", "running"), ("state", "shutoff")]}),
    Bad("unknown query argument", "GET", "/v1/domains", 400, "INVALID_ARG", "InvalidArgument", "colour",
        {"params": {"colour": "red"}}),
    Bad("foreign cursor", "GET", "/v1/domains", 400, "INVALID_ARG", "InvalidArgument", "cursor",
        {"params": {"cursor": "AAAA"}}),
    Bad("alias that cannot be", "DELETE", f"{DOMAIN}/devices/a%20b", 400, "INVALID_ARG", "InvalidArgument", "alias"),
    Bad("body that is no JSON", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "JSON",
        {"content": "{", "headers": {"Content-Type": "application/json"}}),
    Bad("JSON that nests too deep", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "",
        {"content": "[" * 100_000, "headers": {"Content-Type": "application/json"}}),
    Bad("JSON that is no object", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "object",
        {"json": [1]}),
    Bad("body of another type", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "text/plain",
        {"content": "x", "headers": {"Content-Type": "text/plain"}}),
    Bad("no document", "POST", DOMAINS, 400, "INVALID_ARG", "InvalidArgument", "document"),
    Bad("empty document", "POST", DOMAINS, 400, "XML_ERROR", "XmlError", "empty", xml(" ")),
    Bad("broken XML", "POST", DOMAINS, 400, "XML_ERROR", "XmlError", "line 1", xml("<domain>")),
    Bad("hostile XML", "POST", DOMAINS, 400, "XML_ERROR", "XmlError", "document type", xml(LAUGHS)),
    Bad("unknown element", "POST", DOMAINS, 400, "XML_ERROR", "XmlError", "colour",
        xml("<domain type='test'><name>a</name><colour/></domain>")),
    Bad("device instead of domain", "POST", DOMAINS, 400, "XML_ERROR", "XmlError", "disk", xml(DISK_XML)),
    Bad("domain instead of device", "POST", f"{DOMAIN}/devices", 400, "XML_ERROR", "XmlError", "domain",
        xml(domain_xml())),
    Bad("UUID beside another in the document", "POST", DOMAINS, 400, "XML_DETAIL", "XmlDetail", str(UUID_),
        xml(domain_xml(uuid=uuid4())) | {"params": {"domain": str(UUID_)}}),
    Bad("JSON document of an unknown key", "POST", DOMAINS, 400, "XML_ERROR", "XmlError", "colour",
        {"json": {"document": {"type": "test", "name": "a", "colour": 1}}}),
    Bad("JSON device of no kind", "POST", f"{DOMAIN}/devices", 400, "XML_ERROR", "XmlError", "device",
        {"json": {"document": {"target": {"dev": "vda"}}}}),
    Bad("two documents", "POST", DOMAINS, 400, "INVALID_ARG", "InvalidArgument", "document",
        {"json": {"xml": domain_xml(), "document": {}}}),
    Bad("document too large", "POST", DOMAINS, 413, "INVALID_ARG", "TooLarge", "524288",
        xml(domain_xml() + " " * 600_000)),
    Bad("document too large in JSON", "POST", DOMAINS, 413, "INVALID_ARG", "TooLarge", "524288",
        {"json": {"xml": domain_xml() + " " * 600_000}}),
    Bad("time limit out of range", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "timeout",
        {"params": {"timeout": "0"}}),
    Bad("time limit that is none", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "timeout",
        {"headers": {"Prefer": "timeout=nan"}}),
    Bad("wait that is none", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "wait",
        {"headers": {"Prefer": "wait=soon"}}),
    Bad("key too long", "POST", f"{DOMAIN}/start", 400, "INVALID_ARG", "InvalidArgument", "Idempotency-Key",
        {"headers": {"Idempotency-Key": "k" * 300}}),
    Bad("operation that the family lacks", "POST", f"{DOMAIN}/monitor", 501, "NO_SUPPORT", "NotSupported", "test",
        {"json": {"command": "query-status"}}),
    Bad("events of a kind that is none", "GET", "/v1/events", 400, "INVALID_ARG", "InvalidArgument", "kind",
        {"params": {"kind": "weather"}}),
    Bad("events from two points", "GET", "/v1/events", 400, "INVALID_ARG", "InvalidArgument", "replay",
        {"params": {"replay": "all", "cursor": "x"}}),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.title)
async def test_bad_input_is_refused_with_its_code_and_changes_nothing(scene: Scene, bad: Bad) -> None:
    await scene.host(operations=[name for name in OPERATIONS if name != "qemu.monitor-command"])
    await scene.domain(uuid=UUID_)
    answer = await scene.client().request(bad.method, bad.path, **bad.request)
    assert answer.status_code == bad.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:virtbus:error:{bad.kind}"
    assert problem["code_name"] == f"VIR_ERR_{bad.code}"
    assert problem["status"] == bad.status
    assert bad.says in problem["detail"]
    for stream in ("KV_{}_jobs", "{}_JOBS", "{}_AUDIT"):
        prefix = scene.bus.subjects.prefix
        name = stream.format(prefix if stream.startswith("KV") else prefix.upper())
        assert (await scene.bus.link.api(f"STREAM.INFO.{name}"))["state"]["messages"] == 0, name


async def test_xml_errors_say_path_and_line(scene: Scene) -> None:
    await scene.host()
    broken = "<domain type='test'>\n<name>a</name>\n<os><type>hvm</type><colour/></os></domain>"
    answer = await scene.client().post(DOMAINS, **xml(broken))
    assert answer.json()["evidence"]["line"] == 3
    assert answer.json()["evidence"]["path"] == "/domain/os/colour"


async def test_a_body_without_an_end_is_read_only_to_its_limit(scene: Scene) -> None:
    await scene.host()
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(scene.url).port)
    head = f"POST {DOMAINS} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {scene.tokens['admin']}\r\n"
    writer.write(f"{head}Content-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(9):
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    async with asyncio.timeout(10):
        assert (await reader.readline()).split()[1] == b"413"
    writer.close()
    await writer.wait_closed()


async def test_a_document_in_another_encoding_is_carried_as_utf8(scene: Scene) -> None:
    await scene.host()
    document = "<?xml version='1.0' encoding='iso-8859-1'?>" + domain_xml("k\u00fcche")
    answer = await scene.client().post(DOMAINS, **xml(document.encode("iso-8859-1")))
    assert answer.status_code == 202, answer.text
    stored = await scene.bus.jobs.get(f"{HOST}.{answer.json()['id']}")
    assert stored is not None
    assert stored.record.arguments is not None
    assert "<name>k\u00fcche</name>" in stored.record.arguments["xml"]


async def test_a_defect_is_told_without_its_inside(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from virtbus_gateway.inventory import Inventory

    def fail(*_: Any) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(Inventory, "page", fail)
    trace = f"00-{'c' * 32}-{'d' * 16}-01"
    answer = await scene.client().get("/v1/domains", headers={"traceparent": trace})
    assert answer.status_code == 500
    assert answer.json()["evidence"] == {"trace": "c" * 32}
    assert "inside" not in answer.text
