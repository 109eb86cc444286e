"""How files are named: in a .vmx by the host's path, in a domain by datastore and path in it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from posixpath import dirname

from virtbus.errors import XmlInternal

VOLUMES = "/vmfs/volumes/"
"""Where a host mounts its datastores."""

_PLACE = re.compile(r"\[([^\[\]]+)\]\s*(.*)", re.DOTALL)


def split_place(source: str) -> tuple[str, str] | None:
    """The datastore and the path in it of `[datastore] path`; None where it is no such name."""
    match = _PLACE.fullmatch(source)
    return None if match is None else (match[1], match[2] or "")


def place(datastore: str, path: str) -> str:
    """The name that a domain has for a file of a datastore."""
    return f"[{datastore}] {path}"


class Files(ABC):
    """The files that a .vmx names, as its host knows them."""

    @abstractmethod
    def source(self, name: str) -> str:
        """What a domain calls the file that a .vmx names so.

        :raises XmlInternal: there is no such datastore.
        """

    @abstractmethod
    def name(self, source: str) -> str:
        """What a .vmx calls the file that a domain names so.

        :raises XmlInternal: it cannot be a file of this host.
        """


class HostFiles(Files):
    """The files beside the .vmx, and those of the host's datastores."""

    def __init__(self, vmx: str, mounts: dict[str, str]) -> None:
        """:param vmx: the .vmx file itself, as `[datastore] folder/name.vmx`.
        :param mounts: the datastores' names by what stands behind /vmfs/volumes/ for them."""
        found = split_place(vmx)
        self._datastore, self._folder = (found[0], dirname(found[1])) if found else ("", "")
        self._mounts = mounts | {name: name for name in mounts.values()}

    def source(self, name: str) -> str:
        """See Files."""
        if name.startswith(VOLUMES):
            mount, _, path = name.removeprefix(VOLUMES).partition("/")
            if mount not in self._mounts or not path:
                raise XmlInternal(f"File '{name}' is in no datastore of this host")
            return place(self._mounts[mount], path)
        if name.startswith("/"):
            return name
        if "/" in name:
            raise XmlInternal(f"Could not handle file name '{name}'")
        return place(self._datastore, f"{self._folder}/{name}" if self._folder else name)

    def name(self, source: str) -> str:
        """See Files."""
        found = split_place(source)
        if found is not None:
            return f"{VOLUMES}{found[0]}/{found[1]}"
        if source.startswith("/"):
            return source
        raise XmlInternal(f"Could not handle file name '{source}'", hint="files are named as [datastore] path")
