"""UEFI firmware that the host has, by the descriptors of QEMU's firmware.json.

Distributions put a JSON file for each firmware image in /usr/share/qemu/firmware; one of the same name under
/etc/qemu/firmware replaces it, an empty one hides it. File names are in the order of preference (QEMU:
docs/interop/firmware.json).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

#: Earlier folders win over later ones.
FOLDERS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))


class Firmware(BaseModel):
    """One UEFI image in flash memory, with the template of its variable store."""

    model_config = ConfigDict(frozen=True)

    descriptor: str
    code: str
    """Path of the image."""
    code_format: str
    template: str | None
    """Path of the template that a domain's NVRAM file is made from; None for a stateless image."""
    template_format: str = "raw"
    machines: tuple[tuple[str, str], ...]
    """Architecture and pattern of machine types, such as ("x86_64", "pc-q35-*")."""
    features: frozenset[str]
    """Such as secure-boot, enrolled-keys, requires-smm."""


def found(folders: Iterable[Path] = FOLDERS) -> tuple[Firmware, ...]:
    """The UEFI images of this host, most preferred first; a descriptor that makes no sense is left out."""
    files: dict[str, Path] = {}
    for folder in folders:
        for path in folder.glob("*.json") if folder.is_dir() else ():
            files.setdefault(path.name, path)
    images = (_read(files[name]) for name in sorted(files))
    return tuple(image for image in images if image is not None)


def _read(path: Path) -> Firmware | None:
    try:
        descriptor: Mapping[str, Any] = json.loads(path.read_text() or "{}")
        mapping = descriptor["mapping"]
        if "uefi" not in descriptor["interface-types"] or mapping["device"] != "flash":
            return None
        template = mapping.get("nvram-template")
        targets: Sequence[Mapping[str, Any]] = descriptor["targets"]
        return Firmware(
            descriptor=str(path),
            code=mapping["executable"]["filename"],
            code_format=mapping["executable"]["format"],
            template=template and template["filename"],
            template_format=template["format"] if template else "raw",
            machines=tuple((target["architecture"], name) for target in targets for name in target["machines"]),
            features=frozenset(descriptor["features"]),
        )
    except (ValueError, KeyError, TypeError, OSError):
        return None
