"""What every service needs of its machine: an identity, folders with room, files that only it reads, control groups."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from virtbus.doctor.finding import Finding, Place, Verdict, on_disk

MIB = 1024 * 1024
ROOM = (256 * MIB, 2048 * MIB)
"""Bytes free in a folder below which a service will soon stand still, and below which it is worth a look."""
INODES = 1000
"""Files that must still be possible."""
CONTROLLERS = frozenset({"cpu", "memory", "io", "cpuset", "pids"})
"""Of version 2 of control groups; what domains are weighed and limited by."""

CGROUPS = Path("/sys/fs/cgroup")
MACHINE_ID = Path("/etc/machine-id")


@on_disk
def identity(place: Place) -> Sequence[Finding]:
    """A host's name belongs to a machine, which is known by its machine-id (machine-id(5))."""
    text = MACHINE_ID.read_text().strip() if MACHINE_ID.is_file() else ""
    if len(text) == 32 and text != "uninitialized":
        return [Finding("machine-id", Verdict.GOOD, f"this machine is {text}")]
    return [
        Finding(
            "machine-id", Verdict.WEAK if not place.hosts else Verdict.BAD,
            f"{MACHINE_ID} is {'empty' if MACHINE_ID.is_file() else 'missing'}: after a boot this is another machine,"
            " which may not serve its hosts any more",
            "systemd-machine-id-setup; in a container, mount the machine's own file",
        )
    ]  # fmt: skip


@on_disk
def room(place: Place) -> Sequence[Finding]:
    """The service's folders: there, writable, with room."""
    folders = [place.state_dir, place.run_dir] if place.hosts else [place.state_dir]
    return [_room(folder) for folder in folders]


def _room(folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "folder", Verdict.BAD, f"{there} cannot be written to by uid {os.geteuid()}",
            f"run as the service's user, or: chown {os.geteuid()} {there}",
        )  # fmt: skip
    free = shutil.disk_usage(there).free
    files = os.statvfs(there)
    said = f"{folder} has {free // MIB} MiB free"
    # A file system without a fixed number of files says 0 of 0.
    if free < ROOM[0] or (files.f_files and files.f_favail < INODES):
        return Finding("folder", Verdict.BAD, f"{said}, and {files.f_favail} files more", f"make room below {there}")
    if free < ROOM[1]:
        return Finding("folder", Verdict.WEAK, said, f"make room below {there}")
    return Finding("folder", Verdict.GOOD, said)


@on_disk
def secrets(place: Place) -> Sequence[Finding]:
    """Files whose contents let others in: there, readable by the service, by nobody else."""
    files = {
        "the bus user's seed": place.bus.nkey_seed,
        "the key of the bus's certificate": place.bus.tls_key,
        "the key of the gateway's certificate": place.tls_key,
        "the gateway's tokens": place.token_file,
    }
    return [_secret(what, path) for what, path in files.items() if path is not None]


def _secret(what: str, path: Path) -> Finding:
    try:
        found = path.stat()
    except OSError as error:
        return Finding("secrets", Verdict.BAD, f"{what}, {path}: {error.strerror}", f"put it there, mode 0600: {path}")
    if not os.access(path, os.R_OK):
        mend = f"chown {os.geteuid()} {path}, or run as uid {found.st_uid}"
        return Finding("secrets", Verdict.BAD, f"{what}, {path}, cannot be read by uid {os.geteuid()}", mend)
    if found.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        said = f"{what}, {path}, is open to others: mode {stat.S_IMODE(found.st_mode):04o}"
        return Finding("secrets", Verdict.BAD, said, f"chmod 0600 {path}, and make it anew if others have been here")
    return Finding("secrets", Verdict.GOOD, f"{what}, {path}")


@on_disk
def cgroups(place: Place) -> Sequence[Finding]:
    """Control groups, which services and domains are weighed and limited by."""
    return list(_cgroups())


def _cgroups() -> Iterator[Finding]:
    listed = CGROUPS / "cgroup.controllers"
    if not listed.is_file():
        yield Finding(
            "cgroups", Verdict.WEAK, f"{CGROUPS} is not version 2",
            "boot with systemd.unified_cgroup_hierarchy=1; until then domains are not weighed or limited",
        )  # fmt: skip
        return
    missing = CONTROLLERS - set(listed.read_text().split())
    if missing:
        said = f"version 2, without {', '.join(sorted(missing))}"
        yield Finding("cgroups", Verdict.WEAK, said, "see cgroup_disable= on the kernel's command line")
    else:
        yield Finding("cgroups", Verdict.GOOD, "version 2, with every controller that domains use")
