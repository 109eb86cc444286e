"""Backing chains found by qemu-img, and UEFI variable stores."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.qemu import invented
from virtbus.domain import Disk, Domain, parse_device
from virtbus.domain.storage import BackingStore
from virtbus.errors import ConfigUnsupported, HypervisorError
from virtbus_qemu import chains, nvram


def disk(path: Path, layout: str = "qcow2") -> Disk:
    xml = f"<disk><driver name='qemu' type='{layout}'/><source file='{path}'/><target dev='vda'/></disk>"
    device = parse_device(xml)
    assert isinstance(device, Disk)
    return device


def make(path: Path, *arguments: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *arguments, str(path), "1M"], check=True)
    return path


async def test_a_chain_is_found_down_to_its_end(tmp_path: Path) -> None:
    base = tmp_path / "base.raw"
    base.write_bytes(bytes(1 << 20))
    middle = make(tmp_path / "middle.qcow2", "-b", str(base), "-F", "raw")
    top = disk(make(tmp_path / "top.qcow2", "-b", str(middle), "-F", "qcow2"))
    await chains.discover_disk(top, timeout=10)
    first = top.backing_store
    assert first is not None
    assert first.source is not None
    assert first.source.file == str(middle)
    second = first.backing_store
    assert second is not None
    assert second.image_format is not None
    assert second.image_format.type == "raw"
    assert second.backing_store is not None
    assert second.backing_store.source is None


async def test_raw_images_have_no_chain_whatever_they_contain(tmp_path: Path) -> None:
    image = disk(make(tmp_path / "top.qcow2"), "raw")
    await chains.discover_disk(image, timeout=10)
    assert image.backing_store == BackingStore()


async def test_a_missing_image_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="No such file"):
        await chains.discover_disk(disk(tmp_path / "none.qcow2"), timeout=10)


def uefi(tmp_path: Path, template: str) -> Domain:
    return Domain.parse(
        "<domain type='qemu'><name>d</name><memory>1</memory><os><type>hvm</type>"
        f"<nvram {template}>{tmp_path}/nvram/d.fd</nvram></os><devices/></domain>"
    )


def test_the_variable_store_is_made_once_from_its_template(tmp_path: Path) -> None:
    (tmp_path / "template").write_bytes(b"empty")
    domain = uefi(tmp_path, f"template='{tmp_path}/template'")
    path = nvram.path_of(domain)
    assert path is not None
    nvram.create(domain, invented.capabilities())
    assert path.read_bytes() == b"empty"
    path.write_bytes(b"the guest's")
    nvram.create(domain, invented.capabilities())
    assert path.read_bytes() == b"the guest's"
    nvram.remove(domain)
    assert not path.exists()


def test_a_variable_store_without_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported):
        nvram.create(uefi(tmp_path, ""), invented.capabilities())
