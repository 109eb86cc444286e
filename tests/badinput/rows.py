"""The table of bad input: what is asked, in which trouble, and what must be answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from tests.badinput.scene import (
    HOST,
    OFF,
    OTHER,
    PAUSED,
    RUNNING,
    Scene,
    emulator,
    full_disk,
    no_bus,
    no_worker,
    token,
)
from virtbus_gateway.auth import Role

DOMAINS = f"/v1/hosts/{HOST}/domains"
NOBODY = UUID("eeeeeeee-0000-4000-8000-000000000000")
NEW = UUID("dddddddd-0000-4000-8000-000000000000")
XML = {"Content-Type": "application/xml"}
LAUGHS = "<!DOCTYPE d [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><domain type='qemu'><name>&b;</name></domain>"
GARBAGE = "<qemu:commandline><qemu:arg value='-no-such-option'/></qemu:commandline>"
QEMU = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
Request = dict[str, Any] | Callable[[Scene], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One request that must be refused."""

    title: str
    asked: str
    """Method and path."""
    status: int
    code: str
    kind: str
    says: tuple[str, ...] = ()
    request: Request = field(default_factory=dict)
    """What httpx is given besides, or a function of the scene that gives it."""
    domain: UUID | None = None
    """The domain that the error must name."""
    accepted: bool = False
    """Whether the refusal comes after the 202, from the job."""
    hint: bool = False
    """Whether it must say what the reader can do."""
    host: str | None = HOST
    """The host that the error must name."""
    trouble: Callable[[Scene], AbstractAsyncContextManager[None]] | None = None
    asks_guest: bool = False
    """Whether the guest was asked for something, which cannot be taken back."""

    async def send(self, scene: Scene) -> httpx.Response:
        """Ask it."""
        method, path = self.asked.split(" ", 1)
        options = self.request(scene) if callable(self.request) else self.request
        return await scene.request(method, path, **options)


def xml(make: Callable[[Scene], str | bytes], **query: str) -> Callable[[Scene], dict[str, Any]]:
    """The document that a function of the scene makes."""
    return lambda scene: {"content": make(scene), "headers": XML, "params": query}


def text(document: str | bytes, **query: str) -> dict[str, Any]:
    """A document as it is."""
    return {"content": document, "headers": XML, "params": query}


def on(uuid: UUID, verb: str = "") -> str:
    """The address of a domain, or of something below it."""
    return f"{DOMAINS}/{uuid}{verb and '/' + verb}"


def body(**arguments: Any) -> dict[str, Any]:
    """Arguments as JSON."""
    return {"json": arguments}


JSON = {"Content-Type": "application/json"}
DEFINE = f"POST {DOMAINS}"

DOCUMENTS = [
    Row("broken XML", DEFINE, 400, "XML_ERROR", "XmlError", ("line",), text("<domain><name>a</domain>")),
    Row("an empty document", DEFINE, 400, "XML_ERROR", "XmlError", ("empty",), text(" ")),
    Row("a document type with entities", DEFINE, 400, "XML_ERROR", "XmlError", ("document type",), text(LAUGHS)),
    Row("a document that is too large", DEFINE, 413, "INVALID_ARG", "TooLarge", ("524288",),
        xml(lambda scene: scene.xml() + " " * 600_000)),
    Row("a document that nests too deep", DEFINE, 400, "XML_ERROR", "XmlError", ("depth",),
        text("<domain type='qemu'><name>a</name><metadata>" + "<x>" * 2000 + "</x>" * 2000 + "</metadata></domain>")),
    Row("bytes that are no text", DEFINE, 400, "XML_ERROR", "XmlError", (), text(b"\xff\xfe\x00<domain/>")),
    Row("an unknown element", DEFINE, 400, "XML_ERROR", "XmlError", ("colour",),
        xml(lambda scene: scene.xml(tail="<colour/>"))),
    Row("an unknown attribute", DEFINE, 400, "XML_ERROR", "XmlError", ("shade",),
        xml(lambda scene: scene.xml(tail="<clock offset='utc' shade='x'/>"))),
    Row("a device in a domain's place", DEFINE, 400, "XML_ERROR", "XmlError", ("disk",),
        xml(lambda scene: scene.disk())),
    Row("more processors than the maximum", DEFINE, 400, "XML_DETAIL", "XmlDetail", ("vcpu",),
        xml(lambda scene: scene.xml().replace("current='1'", "current='3'")), accepted=True, domain=NEW),
    Row("a target that two disks have", DEFINE, 400, "XML_DETAIL", "XmlDetail", ("vda",),
        xml(lambda scene: scene.xml(more=scene.disk("vda"))), accepted=True, domain=NEW),
    Row("a hypervisor that is not the host's", DEFINE, 422, "CONFIG_UNSUPPORTED", "ConfigUnsupported", ("xen",),
        xml(lambda scene: scene.xml().replace("type='qemu'", "type='xen'", 1)), accepted=True, domain=NEW),
    Row("a machine that QEMU does not have", DEFINE, 422, "CONFIG_UNSUPPORTED", "ConfigUnsupported", ("pdp-11",),
        xml(lambda scene: scene.xml().replace("q35", "pdp-11")), accepted=True, domain=NEW),
    Row("a name that another domain has", DEFINE, 409, "DOM_EXIST", "AlreadyExists", ("running", str(RUNNING)),
        xml(lambda scene: scene.xml("running")), accepted=True, domain=NEW, hint=True),
    Row("another name for an active domain", DEFINE, 409, "OPERATION_INVALID", "WrongState", (),
        xml(lambda scene: scene.xml("renamed", PAUSED)), accepted=True, domain=PAUSED, hint=True),
    Row("a UUID beside another in the document", DEFINE, 400, "XML_DETAIL", "XmlDetail", (str(OFF),),
        xml(lambda scene: scene.xml(), domain=str(OFF))),
    Row("a UUID that is none, in a document", DEFINE, 400, "XML_ERROR", "XmlError", ("uuid",),
        xml(lambda scene: scene.xml(uuid="nobody"))),
    Row("a JSON document with a key too many", DEFINE, 400, "XML_ERROR", "XmlError", ("colour",),
        body(document={"type": "qemu", "name": "a", "colour": 1})),
]  # fmt: skip

ARGUMENTS = [
    Row("a body that is no JSON", f"POST {on(OFF, 'start')}", 400, "INVALID_ARG", "InvalidArgument", ("JSON",),
        {"content": "{'a': 1}", "headers": JSON}, OFF),
    Row("JSON that is no object", f"POST {on(OFF, 'start')}", 400, "INVALID_ARG", "InvalidArgument", ("object",),
        {"json": [True]}, OFF),
    Row("JSON that nests too deep", f"POST {on(OFF, 'start')}", 400, "INVALID_ARG", "InvalidArgument", (),
        {"content": "[" * 100_000, "headers": JSON}, OFF),
    Row("an argument of the wrong type", f"POST {on(OFF, 'vcpus')}", 400, "INVALID_ARG", "InvalidArgument",
        ("count",), body(count="many"), OFF),
    Row("an argument too many", f"POST {on(OFF, 'start')}", 400, "INVALID_ARG", "InvalidArgument", ("fast",),
        body(fast=True), OFF),
    Row("an argument that is missing", f"POST {on(OFF, 'memory')}", 400, "INVALID_ARG", "InvalidArgument",
        ("size",), {}, OFF),
    Row("a body of another type", f"POST {on(OFF, 'start')}", 400, "INVALID_ARG", "InvalidArgument", ("text/plain",),
        {"content": "x", "headers": {"Content-Type": "text/plain"}}, OFF, hint=True),
    Row("a time limit that cannot be", f"POST {on(OFF, 'start')}", 400, "INVALID_ARG", "InvalidArgument",
        ("timeout",), {"params": {"timeout": "-1"}}, OFF),
    Row("more processors than the domain's maximum", f"POST {on(RUNNING, 'vcpus')}", 400, "INVALID_ARG",
        "InvalidArgument", ("maximum of 2",), body(count=3), RUNNING, accepted=True, hint=True),
    Row("more memory than the domain's maximum", f"POST {on(RUNNING, 'memory')}", 400, "INVALID_ARG",
        "InvalidArgument", ("maximum of 65536",), body(size=2**30), RUNNING, accepted=True, hint=True),
    Row("a key that is none", f"POST {on(RUNNING, 'keys')}", 400, "INVALID_ARG", "InvalidArgument", ("ctrl",),
        body(keys=["ctrl"]), RUNNING, accepted=True, hint=True),
]  # fmt: skip

PLACES = [
    Row("an unknown host", f"POST /v1/hosts/nowhere/domains/{OFF}/start", 404, "NO_CONNECT", "NoHost", ("nowhere",),
        hint=True, host="nowhere"),
    Row("a host's name that cannot be", f"GET /v1/hosts/No!/domains/{OFF}", 400, "INVALID_ARG", "InvalidArgument",
        ("host",), host="No!"),
    Row("an unknown domain", f"POST {on(NOBODY, 'start')}", 404, "NO_DOMAIN", "NoDomain", (), {}, NOBODY),
    Row("an unknown domain of any host", f"DELETE /v1/domains/{NOBODY}", 404, "NO_DOMAIN", "NoDomain", (), {}, NOBODY,
        host=None),
    Row("a UUID that is none", f"POST {DOMAINS}/nobody/start", 400, "INVALID_ARG", "InvalidArgument", ("nobody",),
        hint=True),
    Row("an unknown alias", f"DELETE {on(RUNNING, 'devices/ua-nothing')}", 404, "DEVICE_MISSING", "NoDevice",
        ("ua-nothing",), {}, RUNNING, accepted=True),
    Row("an alias that cannot be", f"DELETE {on(RUNNING, 'devices/a%20b')}", 400, "INVALID_ARG", "InvalidArgument",
        ("alias",), {}, RUNNING),
    Row("a description that no device fits", f"POST {on(RUNNING, 'devices:detach')}", 404, "DEVICE_MISSING",
        "NoDevice", ("vdz",), xml(lambda scene: scene.disk("vdz", alias="ua-z")), RUNNING, accepted=True),
    Row("an unknown job", f"GET /v1/jobs/{NOBODY}", 404, "INVALID_ARG", "NoJob", (str(NOBODY),), host=None),
]  # fmt: skip

WRONG: dict[str, Any] = {"code": "OPERATION_INVALID", "kind": "WrongState"}
STATES = [
    *(Row(f"{verb} of a domain that is off", f"POST {on(OFF, verb)}", 409, **WRONG, domain=OFF, accepted=True,
          hint=True)
      for verb in ("suspend", "resume", "shutdown", "reboot", "reset", "destroy")),
    *(Row(f"{verb} of a domain that is paused", f"POST {on(PAUSED, verb)}", 409, **WRONG, domain=PAUSED,
          accepted=True, hint=True)
      for verb in ("start", "suspend")),
    *(Row(f"{verb} of a domain that runs", f"POST {on(RUNNING, verb)}", 409, **WRONG, domain=RUNNING, accepted=True,
          hint=True)
      for verb in ("start", "resume")),
    Row("a device for the live definition of a domain that is off", f"POST {on(OFF, 'devices')}", 409, **WRONG,
        request=xml(lambda scene: scene.disk(), affect="live"), domain=OFF, accepted=True, hint=True),
    Row("a device out of both definitions of a domain that is off", f"DELETE {on(OFF, 'devices/ua-root')}", 409,
        **WRONG, request={"params": {"affect": "both"}}, domain=OFF, accepted=True, hint=True),
    Row("a picture of a domain that is off", f"GET {on(OFF, 'screenshot')}", 409, **WRONG, domain=OFF, hint=True),
    Row("the live document of a domain that is off", f"GET {on(OFF, 'xml')}", 409, **WRONG,
        request={"params": {"live": "true"}}, domain=OFF, hint=True),
]  # fmt: skip

DEVICES = [
    Row("a disk at a target that is taken", f"POST {on(RUNNING, 'devices')}", 400, "XML_DETAIL", "XmlDetail",
        ("vda",), xml(lambda scene: scene.disk("vda", "new.img", alias="ua-x")), RUNNING, accepted=True),
    Row("a disk whose image is missing", f"POST {on(RUNNING, 'devices')}", 502, "OPERATION_FAILED",
        "HypervisorError", ("absent.img", "no such file"),
        xml(lambda scene: scene.disk("vdc", "absent.img", alias="ua-x")),
        RUNNING, accepted=True, hint=True),
    Row("a disk whose image is not what it says", f"POST {on(RUNNING, 'devices')}", 502, "OPERATION_FAILED",
        "HypervisorError", ("qcow2",),
        xml(lambda scene: scene.disk("vdc", "none.qcow2", alias="ua-x", layout="qcow2")), RUNNING, accepted=True),
    Row("a device that cannot be plugged", f"POST {on(RUNNING, 'devices')}", 422, "CONFIG_UNSUPPORTED",
        "ConfigUnsupported", ("video",), text("<video><model type='vga'/></video>"), RUNNING, accepted=True),
    Row("an unknown element in a device", f"POST {on(RUNNING, 'devices')}", 400, "XML_ERROR", "XmlError", ("colour",),
        text("<disk><target dev='vdc'/><colour/></disk>"), RUNNING),
    Row("a change that cannot be made in place", f"PUT {on(RUNNING, 'devices/ua-root')}", 422, "CONFIG_UNSUPPORTED",
        "ConfigUnsupported", (), xml(lambda scene: scene.disk("vda", "new.img", alias="ua-root")), RUNNING,
        accepted=True, hint=True),
    Row("a medium for a disk that has none", f"POST {on(RUNNING, 'devices/ua-root/media')}", 422,
        "CONFIG_UNSUPPORTED", "ConfigUnsupported", ("ua-root",), body(source="/x.iso"), RUNNING, accepted=True,
        hint=True),
    Row("a removal that the guest ignores", f"DELETE {on(RUNNING, 'devices/ua-new')}", 504, "OPERATION_TIMEOUT",
        "Expired", ("time limit of 1 s",), {"params": {"timeout": "1"}}, RUNNING, accepted=True, hint=True,
        asks_guest=True),
    Row("a shutdown that the guest ignores", f"POST {on(RUNNING, 'shutdown')}", 504, "OPERATION_TIMEOUT", "Expired",
        ("time limit of 1 s",), {"params": {"timeout": "1"}}, RUNNING, accepted=True, hint=True, asks_guest=True),
]  # fmt: skip

RIGHTS = [
    Row("no token", f"POST {on(OFF, 'start')}", 401, "AUTH_FAILED", "Unauthenticated", (),
        {"headers": {"Authorization": ""}}, hint=True),
    Row("a token that nobody has", f"POST {on(OFF, 'start')}", 401, "AUTH_FAILED", "Unauthenticated", (),
        {"headers": {"Authorization": "Bearer vbt_nobody"}}, hint=True),
    Row("a viewer who starts a domain", f"POST {on(OFF, 'start')}", 403, "ACCESS_DENIED", "Forbidden", (),
        lambda scene: {"headers": token(scene, Role.VIEWER)}, hint=True),
    Row("a viewer who sends what is not even XML", DEFINE, 403, "ACCESS_DENIED", "Forbidden", (),
        lambda scene: {"content": "<", "headers": XML | token(scene, Role.VIEWER)}, hint=True),
    Row("an operator at the monitor", f"POST {on(RUNNING, 'monitor')}", 403, "ACCESS_DENIED", "Forbidden", (),
        lambda scene: {"json": {"command": "quit"}, "headers": token(scene, Role.OPERATOR)}, hint=True),
    Row("an operation that the family lacks", f"POST /v1/hosts/{OTHER}/domains/{OFF}/monitor", 501, "NO_SUPPORT",
        "NotSupported", ("simulated", "qemu.monitor-command"), body(command="quit"), hint=True, host=OTHER),
]  # fmt: skip


CREATE = f"POST {DOMAINS}:create"
FAILED: dict[str, Any] = {"status": 502, "code": "OPERATION_FAILED", "kind": "HypervisorError"}
DEAD: dict[str, Any] = FAILED | {"accepted": True, "domain": NEW}
TROUBLES = [
    Row("a disk image that is missing at the start", CREATE, **DEAD, says=("absent.img",), hint=True,
        request=xml(lambda scene: scene.xml(image="absent.img"))),
    Row("an image that QEMU cannot read", CREATE, **DEAD, says=("qcow2",), hint=True,
        request=xml(lambda scene: scene.xml(more=scene.disk("vdb", "none.qcow2", layout="qcow2")))),
    Row("a command line that QEMU refuses", CREATE, **DEAD, says=("-no-such-option",), hint=True,
        request=xml(lambda scene: scene.xml(tail=GARBAGE, namespace=QEMU))),
    Row("no QEMU", CREATE, **DEAD, says=("qemu",), hint=True, request=xml(lambda scene: scene.xml()),
        trouble=lambda scene: emulator(scene, None)),
    Row("a QEMU that dies while it starts", CREATE, **DEAD, says=("signal 9",), hint=True,
        request=xml(lambda scene: scene.xml()), trouble=lambda scene: emulator(scene, "#!/bin/sh\nkill -9 $$\n")),
    Row("no QEMU for a domain that is defined", f"POST {on(OFF, 'start')}", **(DEAD | {"domain": OFF}),
        says=("qemu",), hint=True, trouble=lambda scene: emulator(scene, None)),
    Row("a disk that is full", f"POST {on(OFF, 'start')}", 507, "SYSTEM_ERROR", "NoSpace", (), {}, OFF,
        accepted=True, hint=True, trouble=full_disk),
    Row("a disk that is full when a device is attached", f"POST {on(RUNNING, 'devices')}", 507, "SYSTEM_ERROR",
        "NoSpace", (), xml(lambda scene: scene.disk("vdc", "new.img", alias="ua-x")), RUNNING, accepted=True, hint=True,
        trouble=full_disk),
    Row("no worker that could answer", f"GET {on(RUNNING, 'stats')}", 503, "RPC", "Unavailable", (), {}, RUNNING,
        hint=True, trouble=no_worker),
    Row("no bus", f"POST {on(OFF, 'start')}", 503, "RPC", "Unavailable", (), {}, OFF, hint=True, trouble=no_bus),
]  # fmt: skip

ROWS = [*DOCUMENTS, *ARGUMENTS, *PLACES, *STATES, *DEVICES, *RIGHTS, *TROUBLES]
