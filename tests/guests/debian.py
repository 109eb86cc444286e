"""Debian packages, downloaded and read but never installed."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_COMMAND_SECONDS = 300


class PackagesUnavailable(Exception):
    """The packages cannot be had here; the text says what to do."""


@dataclass(frozen=True)
class Package:
    """A package of the distribution, in the version that would be installed."""

    name: str
    version: str


def newest(pattern: str) -> Package:
    """The package of the highest version among those whose name matches the pattern entirely.

    :raise PackagesUnavailable: none does.
    """
    names = _run("apt-cache", "pkgnames", re.split(r"[^\w.-]", pattern)[0]).split()
    found = [name for name in names if re.fullmatch(pattern, name)]
    for name in sorted(found, key=_version_key, reverse=True):
        candidate = re.search(r"^  Candidate: (\S+)$", _run("apt-cache", "policy", name), re.MULTILINE)
        if candidate and candidate[1] != "(none)":
            return Package(name, candidate[1])
    raise PackagesUnavailable(f"no package {pattern} is known here; run: apt-get update")


def contents(package: Package, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files of a package whose path (without a leading ./) is wanted.

    :raise PackagesUnavailable: it cannot be downloaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        _run("apt-get", "download", f"{package.name}={package.version}", folder=Path(folder))
        archive = next(Path(folder).glob("*.deb")).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(_member(archive, "data.tar"))) as tar:
        return {
            path: file.read()
            for entry in tar
            if entry.isfile() and wanted(path := entry.name.removeprefix("./")) and (file := tar.extractfile(entry))
        }


def _member(archive: bytes, prefix: str) -> bytes:
    # ar(5): an 8 byte magic, then members with a 60 byte header, aligned to 2 bytes.
    offset = 8
    while offset < len(archive):
        header = archive[offset : offset + 60]
        size = int(header[48:58])
        offset += 60
        if header[:16].startswith(prefix.encode()):
            return archive[offset : offset + size]
        offset += size + size % 2
    raise PackagesUnavailable(f"the package has no {prefix}")


def _version_key(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _run(*command: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise PackagesUnavailable(f"{command[0]} is not here: the test guest is made of Debian's packages") from error
    if done.returncode:
        raise PackagesUnavailable(f"{' '.join(command)} failed, try apt-get update: {done.stderr.strip()}")
    return done.stdout
