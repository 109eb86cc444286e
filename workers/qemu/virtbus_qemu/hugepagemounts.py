"""The host's mounts of hugetlbfs, where the files of guests' huge pages lie (Linux, Documentation/admin-guide/mm).

mounts = found()        # {2048: Path("/dev/hugepages"), 1048576: Path("/dev/hugepages1G")}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_MEMORY = Path("/proc/meminfo")

_UNITS = {"": 1 / 1024, "K": 1, "M": 1024, "G": 1024 * 1024}
"""KiB of the units in which a mount says its size of page."""


def found(mounts: Path = _MOUNTS, memory: Path = _MEMORY) -> Mapping[int, Path]:
    """The first mount of each page size, in KiB, that of the kernel's own size first; nothing where there is none."""
    usual = _usual(_text(memory))
    places: dict[int, Path] = {}
    for line in _text(mounts).splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "hugetlbfs":
            said = re.search(r"(?:^|,)pagesize=(\d+)([KMG]?)", options)
            size = int(int(said[1]) * _UNITS[said[2]]) if said else usual
            # Blanks and their like are written in octal.
            name = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), where)
            places.setdefault(size, Path(name))
    return dict(sorted(places.items(), key=lambda place: (place[0] != usual, place[0])))


def _usual(memory: str) -> int:
    said = re.search(r"^Hugepagesize:\s*(\d+) kB", memory, re.MULTILINE)
    return int(said[1]) if said else 2048


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
