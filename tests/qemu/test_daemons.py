"""swtpm and virtiofsd beside QEMU: there before it, gone after it, never twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.qemu.machines import LIMIT, Launch
from tests.qemu.workers import WORK
from virtbus.domain import Domain
from virtbus.driver import HostSettings
from virtbus.errors import ConfigUnsupported, HypervisorError
from virtbus_qemu import daemons, live
from virtbus_qemu.capabilities import probe
from virtbus_qemu.command import build_argv
from virtbus_qemu.definition import complete
from virtbus_qemu.driver import QemuDriver
from virtbus_qemu.folder import DomainFolder, HostFolder
from virtbus_qemu.process import Process
from virtbus_qemu.settings import QemuSettings


@pytest.fixture(autouse=True)
async def no_daemon_stays(host: HostFolder) -> AsyncIterator[None]:
    """Whatever becomes of a test, its daemons are ended."""
    yield
    for folder in host.path.glob("*"):
        await daemons.sweep(DomainFolder(folder, uuid4()))


TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
SHARE = (
    "<filesystem type='mount'><driver type='virtiofs'/><binary><cache mode='none'/></binary>"
    "<source dir='{shared}'/><target dir='share'/></filesystem>"
)
SHARED_MEMORY = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


def document(devices: str) -> Domain:
    return Domain.parse(
        f"<domain type='qemu'><name>d</name><uuid>{uuid4()}</uuid><memory unit='MiB'>64</memory>{SHARED_MEMORY}"
        f"<os><type machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def settings(tmp: Path) -> QemuSettings:
    return QemuSettings(tpm=tmp / "tpm")


async def test_qemu_finds_its_daemons_and_they_end_with_it(
    emulator: Path, launch: Launch, host: HostFolder, tmp_path: Path
) -> None:
    chosen, capabilities = settings(tmp_path), await probe(emulator)
    domain = complete(document(TPM + SHARE.format(shared=tmp_path)), capabilities, chosen)
    assert domain.uuid is not None
    folder = host.domain(domain.uuid)
    running = live.prepare(domain, folder, chosen)
    await daemons.start(running, folder, chosen, timeout=LIMIT)
    # virtiofsd has a child of its own in a sandbox.
    served = daemons.running(folder)
    assert len(served) >= 2
    machine = await launch(argv=build_argv(running, folder, capabilities, chosen), folder=folder)
    assert [tpm["model"] for tpm in await machine.monitor.execute("query-tpm", timeout=LIMIT)] == ["tpm-crb"]
    watched = [Process.adopt(identity) for identity in served]
    await machine.process.kill(timeout=LIMIT)
    await daemons.end(running, folder, chosen)
    assert daemons.running(folder) == []
    for process in watched:
        process.close()
    assert (daemons.tpm_state(domain, chosen) / "tpm2-00.permall").exists()


async def test_a_daemon_that_ends_by_itself_is_waited_for(host: HostFolder, tmp_path: Path) -> None:
    domain = document(TPM)
    assert domain.uuid is not None
    folder = host.domain(domain.uuid)
    await daemons.start(domain, folder, settings(tmp_path), timeout=LIMIT)
    (identity,) = daemons.running(folder)
    os.kill(identity.pid, signal.SIGTERM)
    async with asyncio.timeout(LIMIT):
        while Path(f"/proc/{identity.pid}").exists():
            await asyncio.sleep(0.01)


async def test_the_key_that_secrets_are_encrypted_with_stays(host: HostFolder, tmp_path: Path) -> None:
    domain = document(TPM)
    assert domain.uuid is not None
    folder = host.domain(domain.uuid)
    folder.create()
    key = folder.master_key.read_bytes()
    await daemons.start(domain, folder, settings(tmp_path), timeout=LIMIT)
    assert folder.master_key.read_bytes() == key


async def test_a_start_that_was_cut_off_leaves_nothing_in_the_way(host: HostFolder, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    domain = document(TPM)
    assert domain.uuid is not None
    folder = host.domain(domain.uuid)
    await daemons.start(domain, folder, chosen, timeout=LIMIT)
    first = daemons.running(folder)
    await daemons.start(domain, folder, chosen, timeout=LIMIT)
    second = daemons.running(folder)
    await daemons.end(domain, folder, chosen)
    assert len(first) == len(second) == 1
    assert first != second
    assert not any(identity.alive() for identity in (*first, *second))


async def test_a_daemon_that_fails_says_why_and_none_stays(host: HostFolder, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    domain = document(TPM + SHARE.format(shared=tmp_path / "missing"))
    for number, share in enumerate(domain.devices.filesystems):
        share.alias = f"fs{number}"
    assert domain.uuid is not None
    folder: DomainFolder = host.domain(domain.uuid)
    with pytest.raises(HypervisorError, match="virtiofsd for fs0") as caught:
        await daemons.start(domain, folder, chosen, timeout=LIMIT)
    assert "missing" in caught.value.evidence["answer"]
    assert daemons.running(folder) == []


def test_what_no_daemon_is_arranged_for_is_refused(tmp_path: Path) -> None:
    banks = TPM.replace("version='2.0'/>", "version='2.0'><active_pcr_banks><sha256/></active_pcr_banks></backend>")
    with pytest.raises(ConfigUnsupported) as caught:
        list(daemons.of(document(banks), tmp_path, settings(tmp_path)))
    assert caught.value.evidence["path"] == "/domain/devices/tpm/backend/active_pcr_banks"


@pytest.mark.parametrize(
    ("said", "stays"), [("", False), (" persistent_state='no'", False), (" persistent_state='yes'", True)]
)
async def test_a_tpms_state_goes_with_its_domain_unless_it_is_to_stay(said: str, stays: bool, tmp_path: Path) -> None:
    worker = HostSettings(
        name="one", uri="qemu:///system", run=tmp_path, state=tmp_path, options={"tpm": str(tmp_path)}
    )
    domain = document(TPM.replace(" version", f"{said} version"))
    state = daemons.tpm_state(domain, QemuSettings(tpm=tmp_path))
    state.mkdir()
    await QemuDriver(worker, lambda _: None).undefined(domain, WORK, nvram=False, keep_nvram=False)
    assert state.exists() is stays
