"""What the installed QEMU says it can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtbus.errors import ConfigUnsupported, HypervisorError
from virtbus_qemu.capabilities import probe


async def test_the_binary_is_asked_once(emulator: Path, tmp_path: Path) -> None:
    first = await probe(emulator, cache=tmp_path)
    (digest,) = tmp_path.glob("*.xml")
    digest.write_text(digest.read_text().replace(first.package, "from the cache"))
    second = await probe(emulator, cache=tmp_path)
    assert second.package == "from the cache"


async def test_a_damaged_cache_is_replaced(emulator: Path, tmp_path: Path) -> None:
    first = await probe(emulator, cache=tmp_path)
    next(tmp_path.iterdir()).write_text("{")
    assert (await probe(emulator, cache=tmp_path)).digest.format() == first.digest.format()


async def test_it_knows_machines_and_flags(emulator: Path) -> None:
    capabilities = await probe(emulator)
    machine = capabilities.machine("q35")
    assert machine.name.startswith("pc-q35-")
    assert capabilities.default_cpu(machine) == "qemu64"
    assert capabilities.machine(None).default
    assert capabilities.has("virtio-scsi-pci")
    assert not capabilities.has("nosuch")
    assert capabilities.arch == "x86_64"
    with pytest.raises(ConfigUnsupported):
        capabilities.machine("nosuch")


async def test_a_missing_or_foreign_binary_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="apt install"):
        await probe(tmp_path / "qemu")
    with pytest.raises(HypervisorError) as caught:
        await probe(Path("/bin/false"))
    assert "log" in caught.value.evidence
