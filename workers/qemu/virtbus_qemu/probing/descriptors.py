"""Firmware descriptors: which image boots which machine (QEMU: docs/interop/firmware.json)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from virtbus.errors import InvalidArgument

#: Where descriptors are looked for, the most particular first: one hides those of the same name in later folders.
FOLDERS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))

#: libvirt's architecture to the descriptors' own.
_ARCHITECTURES = {"i686": "i386", "armv7l": "arm"}

#: The descriptors' word for what a domain's <os firmware='...'> asks for.
INTERFACES = {"bios": "bios", "uefi": "efi"}

#: The features that matter for the choice of a firmware.
FEATURES = frozenset(
    {
        "acpi-s3",
        "acpi-s4",
        "amd-sev",
        "amd-sev-es",
        "amd-sev-snp",
        "enrolled-keys",
        "requires-smm",
        "secure-boot",
        "verbose-dynamic",
        "verbose-static",
    }
)

_MAPPINGS = {"flash", "kernel", "memory"}
_FLASH_MODES = {"split", "combined", "stateless"}


@dataclass(frozen=True, slots=True)
class Image:
    """A file of a firmware."""

    filename: str
    format: str | None = None

    def document(self) -> dict[str, str]:
        """As the descriptor says it."""
        return {"filename": self.filename, **({"format": self.format} if self.format else {})}


@dataclass(frozen=True, slots=True)
class Target:
    """An architecture, and patterns for the machine types of it that the firmware boots."""

    architecture: str
    machines: tuple[str, ...]

    def boots(self, arch: str, machine: str) -> bool:
        """Whether the firmware is meant for a machine type."""
        return self.architecture == _ARCHITECTURES.get(arch, arch) and any(
            fnmatchcase(machine, pattern) for pattern in self.machines
        )


@dataclass(slots=True)
class Descriptor:
    """One firmware."""

    interfaces: tuple[str, ...]
    """bios, uefi, openfirmware or uboot."""
    device: str
    """How it is handed to the machine: flash, kernel or memory."""
    code: Image
    mode: str | None = None
    """Of flash: whether variables have a file of their own (split), share the image (combined), or are lost
    (stateless)."""
    variables: Image | None = None
    """The template for a domain's variables."""
    targets: tuple[Target, ...] = ()
    features: tuple[str, ...] = ()
    description: str | None = None
    tags: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, text: str | bytes) -> Descriptor:
        """A descriptor's text.

        :raise InvalidArgument: it is none.
        """
        try:
            said = json.loads(text)
            mapping = said["mapping"]
            device = mapping["device"]
            mode = mapping.get("mode", "split") if device == "flash" else None
            if device not in _MAPPINGS or (mode is not None and mode not in _FLASH_MODES):
                raise InvalidArgument(f"unknown way to map a firmware: {device} {mode or ''}".rstrip())
            executable = mapping["executable"] if device == "flash" else mapping
            template = mapping["nvram-template"] if mode == "split" else None
            return cls(
                interfaces=tuple(said["interface-types"]),
                device=device,
                code=_image(executable),
                mode=mode,
                variables=_image(template) if template else None,
                targets=tuple(Target(each["architecture"], tuple(each["machines"])) for each in said["targets"]),
                features=tuple(said["features"]),
                description=said.get("description"),
                tags=tuple(said["tags"]) if "tags" in said else None,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidArgument(f"this is no firmware descriptor: {error!r}") from error

    def document(self, *, remarks: bool = True) -> dict[str, Any]:
        """As JSON.

        :param remarks: with what is only for people (description and tags) and with features that libvirt ignores.
        """
        if self.device == "flash":
            mapping: dict[str, Any] = {"device": "flash", "mode": self.mode, "executable": self.code.document()}
            if self.variables is not None:
                mapping["nvram-template"] = self.variables.document()
        else:
            mapping = {"device": self.device, **self.code.document()}
        features = [name for name in self.features if remarks or name in FEATURES]
        result: dict[str, Any] = {
            "interface-types": list(self.interfaces),
            "mapping": mapping,
            "targets": [
                {"architecture": target.architecture, "machines": list(target.machines)} for target in self.targets
            ],
            "features": features,
        }
        if remarks and self.description is not None:
            result = {"description": self.description, **result}
        if remarks and self.tags is not None:
            result["tags"] = list(self.tags)
        return result

    def boots(self, arch: str, machine: str) -> bool:
        """Whether the firmware is meant for a machine type."""
        return any(target.boots(arch, machine) for target in self.targets)

    @property
    def secure(self) -> bool:
        """Whether it guards its variables by system management mode, which the machine must then have."""
        return "requires-smm" in self.features


def _image(said: Mapping[str, str]) -> Image:
    return Image(said["filename"], said.get("format"))


def installed(folders: Iterable[Path] = FOLDERS) -> list[Descriptor]:
    """The descriptors of a host, in order of preference: by name, whatever their folder.

    An empty file hides those of the same name; one that cannot be understood is left out, as the specification asks.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.json")):
            files.setdefault(file.name, file)
    found = []
    for _, file in sorted(files.items()):
        text = file.read_text()
        if text.strip():
            try:
                found.append(Descriptor.parse(text))
            except InvalidArgument:
                # A newer specification may say things that this one does not know.
                continue
    return found


def suitable(descriptors: Iterable[Descriptor], arch: str, machine: str) -> list[Descriptor]:
    """The firmware for a machine type, the preferred first."""
    return [each for each in descriptors if each.boots(arch, machine)]


def interfaces_of(descriptors: Iterable[Descriptor]) -> list[str]:
    """libvirt's words for the kinds of firmware among these, in its order."""
    said = {interface for each in descriptors for interface in each.interfaces}
    return [name for interface, name in INTERFACES.items() if interface in said]
