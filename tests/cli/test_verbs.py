"""Every verb, run against a fake gateway: for people and with --json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.cli.conftest import Virtbus
from tests.client.gateway import PNG, FakeGateway
from virtbus.cli.verbs import VERBS
from virtbus.errors import RemovalRejected
from virtbus.eventkinds import EventKind
from virtbus.operations.console import SendKeys
from virtbus.operations.copying import CloneDomain, RelocateDomain
from virtbus.operations.device import AttachDevice, ChangeMedia, DetachDescribed, DetachDevice, UpdateDevice
from virtbus.operations.domain import CreateDomain, DefineDomain, SetAutostart, StartDomain, UndefineDomain
from virtbus.operations.fields import Affect
from virtbus.operations.process import RunProcess
from virtbus.operations.qemu import MonitorCommand
from virtbus.operations.saving import RestoreDomain, SaveDomain
from virtbus.operations.snapshot import CreateSnapshot, DeleteSnapshot, RevertSnapshot
from virtbus.operations.tuning import SetMemory, SetVcpus
from virtbus.records import Event

XML = "<domain><name>new</name></domain>"
DISK = "<disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/><alias name='ua-cd'/></disk>"
CARD = "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>"


@pytest.fixture
def web(gateway: FakeGateway, environment: None) -> UUID:
    """A running domain with a drive and a card, an XML file for each, an event, and a job."""
    uuid = gateway.add_domain("web1", id=4, state="running", reason="booted", labels={"tier": "web"})
    gateway.devices = [
        {"alias": "ua-cd", "kind": "disk", "xml": DISK, "model": {}, "pending": True},
        {"alias": "net0", "kind": "interface", "xml": CARD, "model": {}},
    ]
    for name, text in (("domain", XML), ("disk", DISK), ("card", CARD), ("cpu", "<cpu/>")):
        Path(f"{name}.xml").write_text(text)
    gateway.add_event(Event(kind=EventKind.REBOOT, host="alpha", family="qemu", domain=uuid, name="web1", generation=1))
    return uuid


CHANGES: dict[str, tuple[list[str], Any, dict[str, Any], str]] = {
    "attach-device": (["web1", "disk.xml", "--live", "--config"], AttachDevice, {"xml": DISK, "affect": Affect.BOTH},
                      "Device attached; its alias is ua-1"),
    "autostart": (["web1", "--disable"], SetAutostart, {"enabled": False}, "Domain 'web1' changed"),
    "change-media": (["web1", "sda", "/new.iso", "--live"], ChangeMedia,
                     {"alias": "ua-cd", "source": "/new.iso", "affect": Affect.LIVE}, "Medium of ua-1 changed"),
    "clone": (["web1", "web2"], CloneDomain, {"copy_name": "web2"}, "Domain 'web1' copied to 'web2', uuid UUID"),
    "create": (["domain.xml", "--paused"], CreateDomain, {"xml": XML, "paused": True}, "Domain 'new' created"),
    "define": (["domain.xml", "--host", "alpha"], DefineDomain, {"xml": XML}, "Domain 'new' defined"),
    "destroy": (["alpha/web1"], None, {}, "Domain 'web1' destroyed"),
    "detach-device": (["web1", "disk.xml", "--config"], DetachDescribed, {"xml": DISK, "affect": Affect.CONFIG},
                      "Device ua-1 removed"),
    "detach-device-alias": (["web1", "ua-cd", "--current"], DetachDevice,
                            {"alias": "ua-cd", "affect": Affect.CURRENT}, "Device ua-1 removed"),
    "exec": (["web1", "--", "ls", "-l"], RunProcess, {"command": ["ls", "-l"]}, "out\nerr\n(exit status 3)"),
    "qemu-monitor-command": (["web1", '{"execute": "stop", "arguments": {"a": null}}'], MonitorCommand,
                             {"command": "stop", "arguments": {"a": None}}, '{"ok": 1}'),
    "reboot": (["web1"], None, {}, "Domain 'web1' has been rebooted"),
    "relocate": (["web1", "--to", "alpha", "--pool", "fast"], RelocateDomain,
                 {"destination": "alpha", "pool": "fast"}, "Domain 'web1' moved"),
    "reset": (["web1"], None, {}, "Domain 'web1' was reset"),
    "restore": (["web1", "/var/saved", "--paused"], RestoreDomain, {"file": "/var/saved", "paused": True},
                "Domain 'web1' restored"),
    "resume": (["web1"], None, {}, "Domain 'web1' resumed"),
    "save": (["web1", "/var/saved"], SaveDomain, {"file": "/var/saved"}, "Domain 'web1' saved to /var/saved"),
    "send-key": (["web1", "KEY_LEFTCTRL", "KEY_C", "--holdtime", "50"], SendKeys,
                 {"keys": ["KEY_LEFTCTRL", "KEY_C"], "hold": 50}, "Keys sent to 'web1'"),
    "setmem": (["web1", "512M"], SetMemory, {"size": 524288}, "Domain 'web1' may use 1048576 KiB"),
    "setvcpus": (["web1", "2", "--live"], SetVcpus, {"count": 2, "affect": Affect.LIVE},
                 "Domain 'web1' has 2 virtual CPUs"),
    "shutdown": (["web1"], None, {}, "Domain 'web1' has shut down"),
    "snapshot-create-as": (["web1", "before", "an upgrade", "--disk-only"], CreateSnapshot,
                           {"snapshot": "before", "description": "an upgrade", "disks_only": True},
                           "Snapshot before created"),
    "snapshot-delete": (["web1", "before", "--children"], DeleteSnapshot, {"snapshot": "before", "children": True},
                        "Snapshot before deleted"),
    "snapshot-revert": (["web1", "before"], RevertSnapshot, {"snapshot": "before"},
                        "Domain 'web1' is back at snapshot before"),
    "start": (["web1", "--paused"], StartDomain, {"paused": True}, "Domain 'web1' started"),
    "suspend": (["web1"], None, {}, "Domain 'web1' suspended"),
    "undefine": (["web1", "--nvram"], UndefineDomain, {"nvram": True}, "Domain 'web1' has been undefined"),
    "update-device": (["web1", "card.xml", "--force"], UpdateDevice, {"alias": "net0", "xml": CARD, "force": True},
                      "Device updated"),
}  # fmt: skip
"""verb: its words, the operation that they mean, its fields, and what is said."""

READS: dict[str, tuple[list[str], str]] = {
    "capabilities": ([], "<capabilities/>"),
    "completion": (["bash"], "complete"),
    "devices": (["web1"], "ua-cd   disk        being detached"),
    "domblklist": (["web1"], "sda      /iso     cdrom    ua-cd"),
    "domcapabilities": (["alpha", "--machine", "q35"], "<domainCapabilities/>"),
    "domid": (["web1"], "4"),
    "domiflist": (["web1", "--inactive"], "-           user   -        virtio   52:54:00:00:00:01   net0"),
    "dominfo": (["web1"], "State:           running (booted)"),
    "domname": (["web1"], "web1"),
    "domstate": (["web1", "--reason"], "running (booted)"),
    "domstats": (["web1", "--cpu-total"], "Domain: 'web1'\n  state.state=1"),
    "domuuid": (["web1"], "-"),
    "dumpxml": (["web1", "--inactive"], "<domain><name>web1</name></domain>"),
    "event": (["--replay"], "alpha/web1 reboot"),
    "hostinfo": (["alpha"], "Hypervisor:  T 1.0"),
    "hypervisor-cpu-baseline": (["alpha", "cpu.xml", "cpu.xml"], "<cpu/>"),
    "hypervisor-cpu-compare": (["alpha", "cpu.xml"], "is a superset of CPU described in cpu.xml"),
    "hosts": ([], "alpha   simulated   T 1.0        served         1         1   test:///default"),
    "list": (["--all"], " 4    web1   alpha   running".strip()),
    "net-list": (["alpha"], "lan    active   bridge   br0      7"),
    "pool-list": (["alpha"], "fast   active   dir         100          40   /fast"),
    "screenshot": (["web1", "shot.png"], "Screenshot saved to shot.png"),
    "snapshot-list": (["web1"], "before   -         -        current   an upgrade"),
    "top": (["--interval", "0.01", "--count", "1"], "alpha   web1   running     0.0"),
    "vol-list": (["alpha", "fast"], "a.qcow2   qcow2          10            5   /fast/a.qcow2"),
    "version": (["--daemon"], "alpha   simulated   T 1.0"),
}
"""verb: its words, and a part of what people see."""

JOBS = {"job cancel", "job list", "job show", "job wait"}


def test_no_verb_is_left_out() -> None:
    assert {verb.name for verb in VERBS} == set(CHANGES) | set(READS) | JOBS


@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_is_asked_for_and_said(verb: str, gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    words, operation, fields, said = CHANGES[verb]
    run = virtbus(verb, *words)
    assert (run.code, run.out.strip(), run.err) == (0, said.replace("UUID", str(web)), "")
    place = {"host": "alpha"} | ({} if operation in (CreateDomain, DefineDomain) else {"domain": web})
    (performed,) = gateway.performed
    if operation is not None:
        assert performed == operation(**place, **fields)
    assert performed.where() == (place["host"], place.get("domain"))


@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_as_json_is_the_jobs_record(verb: str, gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    run = virtbus("--json", verb, *CHANGES[verb][0])
    (job,) = gateway.jobs
    assert run.code == 0
    assert (run.json["id"], run.json["state"]) == (job, "succeeded")


@pytest.mark.parametrize("verb", READS)
def test_a_read_is_shown(verb: str, virtbus: Virtbus, web: UUID) -> None:
    words, shown = READS[verb]
    run = virtbus(verb, *words)
    assert (run.code, run.err) == (0, "")
    assert shown in run.out


@pytest.mark.parametrize("verb", READS)
def test_a_read_as_json_is_one_document(verb: str, virtbus: Virtbus, web: UUID) -> None:
    run = virtbus(verb, *READS[verb][0], "--json")
    assert (run.code, run.err) == (0, "")
    assert run.json


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_jobs_are_listed_shown_waited_for_and_cancelled(
    gateway: FakeGateway, virtbus: Virtbus, web: UUID, options: list[str]
) -> None:
    virtbus("start", "web1")
    (job,) = gateway.jobs
    for words in (["list", "--domain", "web1"], ["list", "--state", "succeeded"], ["show", job], ["cancel", job]):
        run = virtbus("job", *words, *options)
        assert run.code == 0
        assert job in (json.dumps(run.json) if options else run.out)
    assert virtbus("job", "wait", job, *options).code == 0


def test_plain_tables_are_aligned_and_stable(gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    gateway.add_domain("a-longer-name")
    assert virtbus("list", "--all").out.splitlines()[:2] == [
        "Id   Name            Host    State",
        "------------------------------------",
    ]
    assert "-    a-longer-name   alpha   shutoff\n" in virtbus("list", "--all").out


def test_list_shows_what_is_asked(gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    gateway.add_domain("off1")
    gateway.add_domain("held1", state="paused")
    wanted = {
        (): {"web1", "held1"},
        ("--all",): {"web1", "held1", "off1"},
        ("--inactive",): {"off1"},
        ("--running",): {"web1"},
        ("--state", "paused"): {"held1"},
        ("--state", "shutoff"): {"off1"},
        ("--host", "alpha", "--all"): {"web1", "held1", "off1"},
    }
    for words, found in wanted.items():
        assert {domain["name"] for domain in virtbus("list", "--json", *words).json} == found, words
        assert set(virtbus("list", "--name", *words).out.split()) == found, words
    assert virtbus("list", "--name", "off1").out.split()[-1] == "shutoff"
    assert virtbus("list", "--uuid").out.split().count(str(web)) == 1


def test_control_characters_do_not_reach_the_terminal(gateway: FakeGateway, virtbus: Virtbus) -> None:
    gateway.add_domain("evil\x1b[2J", state="running")
    assert "\x1b" not in virtbus("list").out


def test_a_screenshot_goes_to_a_file(virtbus: Virtbus, web: UUID) -> None:
    assert virtbus("screenshot", "web1", "shot.png").code == 0
    assert Path("shot.png").read_bytes() == PNG
    assert virtbus("screenshot", "web1").code == 0
    (named,) = Path().glob("web1-*.png")
    assert named.read_bytes() == PNG


def test_a_document_keeps_its_own_encoding(gateway: FakeGateway, virtbus: Virtbus, environment: None) -> None:
    text = "<?xml version='1.0' encoding='ISO-8859-1'?><domain><name>naïve</name></domain>"
    Path("latin.xml").write_bytes(text.encode("latin-1"))
    assert virtbus("define", "latin.xml").code == 0
    assert gateway.performed[0].model_dump()["xml"] == text


def test_update_device_finds_the_alias(gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    Path("other.xml").write_text(CARD.replace("00:01", "00:02"))
    Path("target.xml").write_text("<disk><target dev='sda'/></disk>")
    assert virtbus("update-device", "web1", "other.xml").code == 3
    assert virtbus("update-device", "web1", "other.xml", "--alias", "net7").code == 0
    assert virtbus("update-device", "web1", "target.xml").code == 0
    assert virtbus("update-device", "web1", "disk.xml").code == 0
    assert [operation.alias for operation in gateway.performed] == ["net7", "ua-cd", "ua-cd"]


def test_quiet_says_only_what_was_asked_for(virtbus: Virtbus, web: UUID) -> None:
    assert virtbus("start", "web1", "--quiet").out == ""
    assert virtbus("-q", "domid", "web1").out == "4\n"


def test_event_follows_across_a_break(gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    gateway.add_event(Event(kind=EventKind.REBOOT, host="alpha", family="qemu", domain=web, generation=2))
    gateway.break_after.append(1)
    run = virtbus("event", "--replay", "--json")
    assert [json.loads(line)["generation"] for line in run.out.splitlines()] == [1, 2]
    cursor = json.loads(run.out.splitlines()[0])["cursor"]
    assert '"generation": 2' in virtbus("event", "--cursor", cursor, "--json").out


def test_a_failed_job_is_one_line_with_place_and_hint(gateway: FakeGateway, virtbus: Virtbus, web: UUID) -> None:
    gateway.outcomes["device.detach"] = RemovalRejected("the guest keeps\nit", hint="unmount it first")
    run = virtbus("detach-device-alias", "web1", "ua-cd")
    assert run.code == 1
    assert run.err == f"error: host alpha, domain {web}: the guest keeps it (unmount it first)\n"
    machine = virtbus("detach-device-alias", "web1", "ua-cd", "--json")
    assert machine.json["error"]["kind"] == "RemovalRejected"
    assert machine.json["error"]["evidence"]["job"] in gateway.jobs
