"""The host's folders that files of a guest's memory lie in: made before QEMU starts, gone after it has ended.

QEMU makes the files, and lets those on hugetlbfs have no name; a plain one keeps its name until the folder goes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from virtbus.domain.domain import Domain
from virtbus.domain.memory import MemorySourceType
from virtbus.errors import HypervisorError
from virtbus_qemu.command.memory import folders
from virtbus_qemu.settings import QemuSettings


def create(live: Domain, settings: QemuSettings) -> None:
    """Make the folders, where files are a guest's memory.

    :raise HypervisorError: one cannot be made.
    """
    if not _uses_files(live):
        return
    for folder in map(Path, folders(live, settings)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HypervisorError(
                f"the folder {folder} for the guest's memory cannot be made: {error.strerror}",
                domain=live.name,
                hint="the worker's settings name the folders of file-backed memory and of huge pages",
            ) from error


def remove(live: Domain, settings: QemuSettings) -> None:
    """Remove the folders with what is in them."""
    for folder in folders(live, settings) if _uses_files(live) else ():
        shutil.rmtree(folder, ignore_errors=True)


def _uses_files(live: Domain) -> bool:
    """Whether some of the memory may be a file: because all of it is, or is huge pages, or is shared."""
    backing = live.memory_backing
    said = backing is not None and (
        backing.source is MemorySourceType.FILE or backing.hugepages is not None or backing.access is not None
    )
    cells = live.cpu.numa.cells if live.cpu and live.cpu.numa else []
    own = any(each.access is not None or (each.source and each.source.page_size) for each in live.devices.memories)
    return said or own or any(cell.mem_access is not None for cell in cells)
