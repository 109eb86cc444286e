"""VMware's .vmx files as domain XML, and domain XML as .vmx files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from virtbus.domain import Domain, check
from virtbus.errors import XmlInternal
from virtbus_esx.definition import fill
from virtbus_esx.vmx import read_vmx, write_vmx
from virtbus_esx.vmx.files import VOLUMES, HostFiles

FAMILIES = frozenset({"vmx2xml", "xml2vmx"})

MISSING = "missing"
"""The one datastore that the host of these cases does not have; every other is called what it is mounted as."""


class AnyDatastore(HostFiles):
    """A host with every datastore but one; the .vmx lies in `[datastore] directory`."""

    def __init__(self) -> None:
        super().__init__("[datastore] directory/any.vmx", {})

    def source(self, name: str) -> str:
        mount = name.removeprefix(VOLUMES).partition("/")[0] if name.startswith(VOLUMES) else ""
        if mount == MISSING:
            raise XmlInternal(f"File '{name}' is in no datastore of this host")
        self._mounts = {mount: mount}
        return super().source(name)


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The other form of the same machine."""
    text = (root / case["input"][0]).read_text()
    if case["family"] == "vmx2xml":
        return dict.fromkeys(case["expected"], read_vmx(text, AnyDatastore()).format(secure=True))
    domain = Domain.parse(text)
    fill(domain)
    check(domain)
    hardware = int((case.get("options") or {}).get("virtualHW_version", 4))
    return dict.fromkeys(case["expected"], write_vmx(domain, hardware, AnyDatastore()))
