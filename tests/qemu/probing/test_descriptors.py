"""Which firmware boots which machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from virtbus.errors import InvalidArgument
from virtbus_qemu.probing.descriptors import Descriptor, installed, interfaces_of, suitable


def descriptor(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "description": name,
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": f"/{name}.fd", "format": "raw"},
            "nvram-template": {"filename": f"/{name}.vars", "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": ["requires-smm", "from-the-future"],
        "tags": [],
    } | changes


def write(folder: Path, **files: dict[str, Any] | str) -> Path:
    folder.mkdir()
    for name, said in files.items():
        (folder / f"{name}.json").write_text(said if isinstance(said, str) else json.dumps(said))
    return folder


def test_the_particular_folder_hides_and_the_name_orders(tmp_path: Path) -> None:
    own = write(tmp_path / "own", a20=descriptor("own20"), a30="")
    general = write(tmp_path / "general", a10=descriptor("g10"), a20=descriptor("g20"), a30=descriptor("g30"))
    assert [each.code.filename for each in installed([own, general])] == ["/g10.fd", "/own20.fd"]


def test_what_cannot_be_understood_is_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "general", a="{}", b="nonsense", c=descriptor("good"))
    assert [each.description for each in installed([folder])] == ["good"]
    with pytest.raises(InvalidArgument, match="no firmware descriptor"):
        Descriptor.parse("{}")


def test_architecture_and_machine_must_fit() -> None:
    bios = descriptor(
        "bios",
        **{
            "interface-types": ["bios"],
            "mapping": {"device": "memory", "filename": "/bios.bin"},
            "targets": [{"architecture": "i386", "machines": ["pc-i440fx-*"]}],
            "features": [],
        },
    )
    known = [Descriptor.parse(json.dumps(each)) for each in (bios, descriptor("uefi"))]
    assert [each.description for each in suitable(known, "i686", "pc-i440fx-9.0")] == ["bios"]
    assert [each.description for each in suitable(known, "x86_64", "pc-q35-9.0")] == ["uefi"]
    assert suitable(known, "x86_64", "pc-i440fx-9.0") == []
    assert interfaces_of(known) == ["bios", "efi"]
    assert [each.secure for each in known] == [False, True]


def test_a_descriptor_is_written_as_it_was_read() -> None:
    said = descriptor("uefi")
    written = Descriptor.parse(json.dumps(said)).document()
    said["mapping"]["mode"] = "split"
    assert written == said
    assert Descriptor.parse(json.dumps(said)).document(remarks=False)["features"] == ["requires-smm"]


def test_flash_of_an_unknown_mode_is_refused() -> None:
    mapping = {"device": "flash", "mode": "upside-down", "executable": {"filename": "/x"}}
    with pytest.raises(InvalidArgument, match="unknown way to map"):
        Descriptor.parse(json.dumps(descriptor("odd", mapping=mapping)))
