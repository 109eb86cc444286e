"""`virtbus doctor`: says what is wrong and what to do, changes nothing, and its exit code tells programs."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import virtbus.doctor.bus as bus_checks
import virtbus_qemu.doctor as qemu_checks
from tests.conftest import Broker, bus_settings
from virtbus.bus.connection import Bus
from virtbus.bus.rights import (
    BusUser,
    authorization,
    gateway_rights,
    public_key,
    setup_rights,
    worker_rights,
    write_seed,
)
from virtbus.bus.server import find_server, read_urls, write_configuration
from virtbus.bus.settings import BusSettings
from virtbus.bus.subjects import Subjects
from virtbus.doctor import Finding, Place, Verdict, machine
from virtbus.doctor.certificates import tls
from virtbus.doctor.command import _looked, examine
from virtbus.errors import VirtbusError

PLACE = Place()


def verdicts(findings: list[Finding]) -> dict[str, Verdict]:
    """The worst verdict on each topic."""
    order = list(Verdict)
    found: dict[str, Verdict] = {}
    for finding in findings:
        found[finding.topic] = max(found.get(finding.topic, Verdict.GOOD), finding.verdict, key=order.index)
    return found


def mended(findings: list[Finding]) -> None:
    """What is not good has words on what to do."""
    assert [finding for finding in findings if (finding.verdict is not Verdict.GOOD) != bool(finding.mend)] == []


async def run(*words: str, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """The command, as a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "virtbus", "doctor", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | (environment or {}),
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_machine_that_is_well_is_told_so(bus: Bus, broker: Broker, prefix: str, tmp_path: Path) -> None:
    place = Place(bus=bus_settings(broker, prefix), state_dir=tmp_path)
    findings = await examine(place, ["qemu"])
    assert [finding for finding in findings if finding.verdict is Verdict.BAD] == []
    topics = verdicts(findings)
    assert {"bus", "streams", "clock", "rights", "folder", "cgroups", "qemu", "kvm", "device", "program"} <= set(topics)
    assert topics["streams"] is topics["clock"] is topics["qemu"] is Verdict.GOOD
    mended(findings)


async def test_the_command_prints_exits_and_writes_one_document(broker: Broker, bus: Bus, prefix: str) -> None:
    settings = {"VIRTBUS_PREFIX": prefix, "VIRTBUS_NATS": broker.url, "VIRTBUS_NATS_MONITOR": broker.monitor}
    code, out, err = await run("--json", environment=settings)
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["count"]["bad"] == 0
    assert {"topic", "verdict", "said", "mend"} == set(document["findings"][0])
    code, out, err = await run("--nats", "nats://127.0.0.1:9")
    assert code == 1
    assert "bad   bus" in out
    assert "-> is nats-server running there" in out
    code, _, err = await run("--config", "/nowhere.toml")
    assert code == 2
    assert "cannot be read" in err


async def test_strict_counts_what_is_weak(bus: Bus, broker: Broker, prefix: str) -> None:
    # Without a monitoring URL the server's settings are not checked, which is weak.
    settings = {"VIRTBUS_PREFIX": prefix, "VIRTBUS_NATS": broker.url}
    assert (await run(environment=settings))[0] == 0
    assert (await run("--strict", environment=settings))[0] == 1


async def test_it_makes_no_streams(broker: Broker, tmp_path: Path) -> None:
    place = Place(bus=bus_settings(broker, "untouched"), state_dir=tmp_path)
    for _ in range(2):
        findings = await bus_checks.bus(place)
        missing = next(finding for finding in findings if finding.topic == "streams")
        assert missing.verdict is Verdict.BAD
        assert "virtbus bus setup" in missing.mend


async def test_streams_that_are_weaker_than_asked_are_told(bus: Bus, broker: Broker, prefix: str) -> None:
    asked = bus_settings(broker, prefix).model_copy(update={"replicas": 3})
    findings = [finding for finding in await bus_checks.bus(Place(bus=asked)) if finding.topic == "streams"]
    assert len(findings) == 8
    assert all(finding.verdict is Verdict.WEAK and "1 replicas instead of 3" in finding.said for finding in findings)


async def test_rights_are_held_against_what_the_service_does(tmp_path: Path) -> None:
    subjects = Subjects()
    granted = {
        "setup": setup_rights(),
        "gateway": gateway_rights(subjects, "gateway"),
        "w": worker_rights(subjects, "w", ["mine"]),
    }
    users = []
    for name, rights in granted.items():
        write_seed(tmp_path / f"{name}.nk")
        users.append(BusUser(name, public_key(tmp_path / f"{name}.nk"), rights))
    configuration = write_configuration(tmp_path, authorization=authorization(users))
    server = await asyncio.create_subprocess_exec(
        str(find_server()), "-c", str(configuration), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url, monitor = await read_urls(tmp_path, server.pid, 10)

        def settings(name: str) -> BusSettings:
            return BusSettings(
                servers=[url], monitor=monitor, nkey_seed=tmp_path / f"{name}.nk", events_max_bytes=32 * 1024**2
            )

        await (await Bus.connect(settings("setup"), role="gateway", name="setup")).close()
        for name, hosts, verdict in (
            ("gateway", [], Verdict.GOOD), ("w", ["mine"], Verdict.GOOD), ("w", ["other"], Verdict.BAD),
        ):  # fmt: skip
            place = Place(name=name, hosts=hosts, bus=settings(name))
            findings = list(await bus_checks.bus(place))
            assert verdicts(findings)["rights"] is verdict, (name, hosts)
            mended(findings)
        told = next(finding for finding in findings if finding.topic == "rights")
        assert "$kv.virtbus_hosts.other" in told.said
        assert "--worker w=other" in told.mend
    finally:
        server.terminate()
        await server.wait()


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0.0, Verdict.GOOD), (5.0, Verdict.WEAK), (-5.0, Verdict.WEAK), (3600.0, Verdict.BAD)]
)
def test_a_clock_that_differs_is_told(ahead: float, verdict: Verdict) -> None:
    now = time.time()
    stamp = datetime.fromtimestamp(now + ahead, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    finding = bus_checks._skew({"ts": stamp}, now - 0.01, now + 0.01)
    assert finding.verdict is verdict
    assert f"{abs(ahead):.3f} s" in finding.said
    mended([finding])


async def test_a_full_or_closed_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(state_dir=tmp_path / "not" / "yet")
    assert verdicts(list(await machine.room(place))) == {"folder": Verdict.GOOD}
    for free, verdict in ((10 * machine.MIB, Verdict.BAD), (1024 * machine.MIB, Verdict.WEAK)):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, usage=usage: usage)
        findings = list(await machine.room(place))
        assert verdicts(findings) == {"folder": verdict}
        mended(findings)
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    assert "cannot be written to" in (await machine.room(place))[0].said


async def test_secrets_that_others_can_read_are_told(tmp_path: Path) -> None:
    seed = tmp_path / "seed.nk"
    place = Place(bus=BusSettings(nkey_seed=seed))
    assert verdicts(list(await machine.secrets(place))) == {"secrets": Verdict.BAD}
    write_seed(seed)
    assert verdicts(list(await machine.secrets(place))) == {"secrets": Verdict.GOOD}
    seed.chmod(0o644)
    findings = list(await machine.secrets(place))
    assert findings[0].mend.startswith("chmod 0600")


@pytest.mark.parametrize(("days", "verdict"), [(365, Verdict.GOOD), (5, Verdict.WEAK), (-5, Verdict.BAD)])
async def test_a_certificate_that_ends_is_told(tmp_path: Path, days: int, verdict: Verdict) -> None:
    cert, key = certificate(tmp_path, days)
    findings = list(await tls(Place(tls_cert=cert, tls_key=key)))
    assert [finding.verdict for finding in findings] == [verdict]
    mended(findings)


async def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path, 365)
    other = tmp_path / "other"
    other.mkdir()
    _, key = certificate(other, 365)
    finding = (await tls(Place(tls_cert=cert, tls_key=key)))[0]
    assert finding.verdict is Verdict.BAD
    with pytest.raises(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)


async def test_control_groups_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    assert verdicts(list(await machine.cgroups(PLACE))) == {"cgroups": Verdict.WEAK}
    for listed, verdict in (("cpuset cpu io memory pids misc", Verdict.GOOD), ("cpu io pids cpuset", Verdict.WEAK)):
        (tmp_path / "cgroup.controllers").write_text(listed)
        findings = list(await machine.cgroups(PLACE))
        assert verdicts(findings) == {"cgroups": verdict}
        mended(findings)


async def test_a_machine_without_an_identity_may_serve_no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MACHINE_ID", tmp_path / "machine-id")
    assert verdicts(list(await machine.identity(Place(hosts=["a=qemu:///system"])))) == {"machine-id": Verdict.BAD}
    (tmp_path / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    assert verdicts(list(await machine.identity(PLACE))) == {"machine-id": Verdict.GOOD}


async def test_a_qemu_that_is_not_there_hides_nothing_else(tmp_path: Path) -> None:
    place = Place(options={"emulator": str(tmp_path / "qemu")}, bus=BusSettings(servers=["nats://127.0.0.1:9"]))
    findings = await examine(place, ["qemu"])
    wrong = {finding.topic: finding for finding in findings if finding.verdict is Verdict.BAD}
    assert set(wrong) == {"qemu", "bus"}
    assert "apt install qemu-system-x86" in wrong["qemu"].mend
    assert "program" in verdicts(findings)


async def test_an_option_that_the_driver_does_not_know_is_told() -> None:
    findings = list(await qemu_checks.qemu(Place(options={"emulater": "x"})))
    assert findings[0].verdict is Verdict.BAD
    assert "emulater" in findings[0].said


async def test_reserved_huge_pages_must_be_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hugepages-2048kB"
    folder.mkdir()
    (folder / "nr_hugepages").write_text("8\n")
    monkeypatch.setattr(qemu_checks, "HUGE", tmp_path)
    for mounts, verdict in ({}, Verdict.WEAK), ({2048: Path("/dev/hugepages")}, Verdict.GOOD):
        monkeypatch.setattr(qemu_checks.hugepagemounts, "found", lambda mounts=mounts: mounts)
        findings = list(await qemu_checks.memory(PLACE))
        assert verdicts(findings) == {"hugepages": verdict}
        mended(findings)


@pytest.mark.parametrize(
    ("exists", "flags", "says"),
    [(False, "fpu sse", "shows no virtualization"), (False, "fpu vmx", "is missing"), (True, "fpu vmx", "cannot use")],
)
def test_the_first_reason_why_kvm_does_not_work_is_told(
    exists: bool, flags: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    if exists:
        (tmp_path / "kvm").write_text("")
    monkeypatch.setattr(qemu_checks, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(qemu_checks, "KVM", tmp_path / "kvm")
    found: Any = type("Capabilities", (), {"kvm_usable": False})
    finding = qemu_checks._kvm(found)
    assert says in finding.said
    mended([finding])


async def test_a_check_that_fails_is_a_finding() -> None:
    async def broken(place: Place) -> list[Finding]:
        raise VirtbusError("it fell over", hint="pick it up")

    findings = await _looked(broken, PLACE)
    assert [(one.verdict, one.said, one.mend) for one in findings] == [(Verdict.BAD, "it fell over", "pick it up")]


def certificate(folder: Path, days: int) -> tuple[Path, Path]:
    """A certificate that ends after some days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=400))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    cert, file = folder / "tls.crt", folder / "tls.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, file
