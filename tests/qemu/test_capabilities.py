"""What the installed QEMU says it can do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virtbus.errors import ConfigUnsupported, HypervisorError
from virtbus_qemu import firmware
from virtbus_qemu.capabilities import probe


async def test_the_binary_is_asked_once(emulator: Path, tmp_path: Path) -> None:
    first = await probe(emulator, cache=tmp_path)
    files = list(tmp_path.iterdir())
    assert len(files) == 1
    files[0].write_text(files[0].read_text().replace(first.package, "from the cache"))
    second = await probe(emulator, cache=tmp_path)
    assert second.package == "from the cache"
    assert second.model_copy(update={"package": first.package}) == first


async def test_a_damaged_cache_is_replaced(emulator: Path, tmp_path: Path) -> None:
    first = await probe(emulator, cache=tmp_path)
    next(tmp_path.iterdir()).write_text("{")
    assert await probe(emulator, cache=tmp_path) == first


async def test_it_knows_machines_devices_and_backends(emulator: Path) -> None:
    capabilities = await probe(emulator)
    assert capabilities.machine("q35").name.startswith("pc-q35-")
    assert capabilities.machine(None).default
    assert capabilities.has("virtio-blk-pci", "iommu_platform")
    assert not capabilities.has("virtio-blk-pci", "nosuch")
    assert not capabilities.has("nosuch")
    assert {"qcow2", "file"} <= capabilities.block_drivers
    assert {"user", "tap"} <= capabilities.network_backends
    assert "memory-backend-memfd" in capabilities.object_types
    assert "pty" in capabilities.character_backends
    assert "device_add" in capabilities.commands
    with pytest.raises(ConfigUnsupported):
        capabilities.machine("nosuch")


async def test_a_missing_or_foreign_binary_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="apt install"):
        await probe(tmp_path / "qemu")
    with pytest.raises(HypervisorError) as caught:
        await probe(Path("/bin/false"))
    assert "log" in caught.value.evidence


def test_firmware_descriptors_are_found_in_order(tmp_path: Path) -> None:
    own, distribution = tmp_path / "etc", tmp_path / "share"
    descriptor = {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": "/fw/CODE.fd", "format": "raw"},
            "nvram-template": {"filename": "/fw/VARS.fd", "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": ["secure-boot"],
    }
    for folder, name, content in (
        (distribution, "60-plain.json", descriptor),
        (distribution, "50-hidden.json", descriptor),
        (own, "50-hidden.json", {}),
        (own, "40-mine.json", descriptor),
        (own, "30-bios.json", descriptor | {"interface-types": ["bios"]}),
    ):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    images = firmware.found((own, distribution))
    assert [Path(image.descriptor).name for image in images] == ["40-mine.json", "60-plain.json"]
    assert images[0].template == "/fw/VARS.fd"
    assert images[0].machines == (("x86_64", "pc-q35-*"),)
