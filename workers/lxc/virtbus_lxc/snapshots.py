"""Snapshots of containers whose root is a folder: copies, kept with the container as lxc-snapshot(1) keeps them.

LXC numbers them and keeps a comment with each; name, description and parent are in that comment. They are listed and
deleted by lxc-snapshot, but made and taken back by rsync: lxc-snapshot copies no root whose path lacks the container's
name, and would put a container that it takes back into another folder.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from virtbus.domain import Domain
from virtbus.domain.filesystem import FilesystemType
from virtbus.driver import Snapshots, Target, Work
from virtbus.errors import AlreadyExists, ConfigUnsupported, NoSnapshot, WrongState
from virtbus.operations.snapshot import SnapshotSummary
from virtbus.records import now
from virtbus_lxc.config import write_config
from virtbus_lxc.config.mountlines import root_of
from virtbus_lxc.host import LxcHost
from virtbus_lxc.tools import run

ROOT = "rootfs"
CURRENT = "current-snapshot"
"""The file that names the snapshot on which the container stands."""


@dataclass(frozen=True)
class Kept:
    """A snapshot as LXC has it."""

    folder: Path
    said: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.said.get("name", self.folder.name))

    @property
    def parent(self) -> str | None:
        return self.said.get("parent")

    def summary(self, current: str | None) -> SnapshotSummary:
        """As it is told."""
        created = self.said.get("created")
        return SnapshotSummary(
            name=self.name, description=str(self.said.get("description", "")), parent=self.parent,
            current=self.name == current, created=None if created is None else datetime.fromisoformat(created),
        )  # fmt: skip


class LxcSnapshots(Snapshots):
    """The facet; the driver brings the host."""

    host: LxcHost

    async def snapshots(self, target: Target, timeout: float) -> list[SnapshotSummary]:
        """See Snapshots."""
        place = self._place(target)
        return await asyncio.to_thread(lambda: [kept.summary(_current(place)) for kept in in_order(place)])

    async def create_snapshot(
        self, target: Target, name: str, description: str, work: Work, *, disks_only: bool
    ) -> SnapshotSummary:
        """See Snapshots. A container holds its files only, and must be off: LXC copies none that changes."""
        place = self._place(target)
        earlier = next((kept for kept in in_order(place) if kept.name == name), None)
        if earlier is not None:
            if earlier.said.get("job") == work.job:
                return self._stand(place, earlier)
            raise AlreadyExists(f"there is a snapshot '{name}' already", host=target.host, domain=target.uuid)
        definition = self._folder_backed(target)
        self._check_off(target)
        await work.before_effect()
        said = {"name": name, "description": description, "parent": _current(place), "job": work.job,
                "created": now().isoformat()}  # fmt: skip
        place.mkdir(parents=True, exist_ok=True)
        if target.uuid not in self.host.foreign:
            # lxc-snapshot wants to see it.
            (place / "config").write_text(write_config(_files_only(definition), self.host.place))
        await self._copy(place, definition, said, work)
        kept = next(kept for kept in in_order(place) if kept.name == name)
        return self._stand(place, kept)

    async def revert_snapshot(self, target: Target, name: str, work: Work) -> None:
        """See Snapshots."""
        place = self._place(target)
        kept = _find(place, name, target)
        definition = self._folder_backed(target)
        root = root_of(definition)
        assert root is not None
        assert root.source is not None
        await work.before_effect()
        container = self.host.containers.get(target.uuid)
        if container is not None:
            container.notes.destroyed, container.notes.detail = work.job, "from-snapshot"
            container.note()
            await container.kill()
            await container.gone.wait()
        await work.until(_mirror(str(kept.folder / ROOT), str(root.source.dir), work.remaining()))
        self._stand(place, kept)

    async def delete_snapshot(self, target: Target, name: str, work: Work, *, children: bool) -> None:
        """See Snapshots."""
        place = self._place(target)
        kept = _find(place, name, target)
        await work.before_effect()
        doomed = [kept]
        below = [other for other in in_order(place) if other.parent == name]
        if children:
            doomed = list(_family(place, kept))
        else:
            for child in below:
                _say(child, {**child.said, "parent": kept.parent})
        gone = {each.name for each in doomed}
        for each in reversed(doomed):
            await work.until(
                run("lxc-snapshot", *self._where(target), "-d", each.folder.name, timeout=work.remaining())
            )
        if _current(place) in gone:
            _stand_on(place, kept.parent)

    async def _copy(self, place: Path, definition: Domain, said: dict[str, Any], work: Work) -> None:
        """Make the snapshot beside the others, and give it its number when it is whole."""
        root = root_of(definition)
        assert root is not None
        assert root.source is not None
        numbers = [int(number) for kept in in_order(place) if (number := kept.folder.name[4:]).isdigit()]
        folder = place / "snaps" / f"snap{max(numbers, default=-1) + 1}"
        new = place / "snaps" / f".{said['job']}"
        await asyncio.to_thread((new / ROOT).mkdir, parents=True, exist_ok=True)
        try:
            await work.until(_mirror(str(root.source.dir), str(new / ROOT), work.remaining()))
        except BaseException:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, new, ignore_errors=True))
            raise
        config = _files_only(definition)
        kept_root = root_of(config)
        assert kept_root is not None
        assert kept_root.source is not None
        kept_root.source.dir = str(folder / ROOT)
        (new / "config").write_text(write_config(config, self.host.place))
        (new / "ts").write_text(now().strftime("%Y:%m:%d %H:%M:%S"))
        (new / "comment").write_text(json.dumps(said))
        new.rename(folder)

    # ---- where they are ----

    def _place(self, target: Target) -> Path:
        """LXC's folder of the container."""
        foreign = self.host.foreign.get(target.uuid)
        return self.host.own_folder(target.uuid) if foreign is None else foreign.path / foreign.name

    def _where(self, target: Target) -> tuple[str, ...]:
        place = self._place(target)
        return ("-P", str(place.parent), "-n", place.name)

    def _stand(self, place: Path, kept: Kept) -> SnapshotSummary:
        _stand_on(place, kept.name)
        return kept.summary(kept.name)

    def _folder_backed(self, target: Target) -> Domain:
        definition = target.live or target.persistent
        root = None if definition is None else root_of(definition)
        if definition is None or root is None or root.type is not FilesystemType.MOUNT or root.source is None:
            raise ConfigUnsupported(
                "only a container whose root is a folder can be held in a snapshot",
                host=target.host, domain=target.uuid, evidence={"path": "/domain/devices/filesystem"},
            )  # fmt: skip
        return definition

    def _check_off(self, target: Target) -> None:
        if target.uuid in self.host.containers:
            raise WrongState(
                "a running container cannot be held in a snapshot: its files change while they are copied",
                host=target.host, domain=target.uuid, hint="shut it down first",
            )  # fmt: skip


async def _mirror(source: str, target: str, timeout: float) -> None:
    """Make one folder like another, with owners, links and attributes; other file systems below it are left out."""
    words = (
        "--archive",
        "--checksum",
        "--hard-links",
        "--acls",
        "--xattrs",
        "--numeric-ids",
        "--delete",
        "--one-file-system",
    )
    await run("rsync", *words, "--", f"{source.rstrip('/')}/", f"{target}/", timeout=timeout)


def _files_only(definition: Domain) -> Domain:
    """The definition without devices of the host: only what LXC must know to copy the root."""
    plain = definition.copy()
    plain.devices.disks, plain.devices.hostdevs = [], []
    return plain


def in_order(place: Path) -> list[Kept]:
    """The snapshots of a container, parents before children."""
    folders = sorted((place / "snaps").glob("snap*"), key=lambda path: (len(path.name), path.name))
    found = [Kept(folder, _read(folder)) for folder in folders if (folder / "config").is_file()]
    ordered: list[Kept] = []
    while found:
        told = {kept.name for kept in ordered}
        names = {kept.name for kept in found}
        ready = [kept for kept in found if kept.parent is None or kept.parent in told or kept.parent not in names]
        # Two that name each other are told as they come.
        ordered += ready or found
        found = [kept for kept in found if kept not in ordered]
    return ordered


def _read(folder: Path) -> dict[str, Any]:
    """What our comment says; somebody else's is a description."""
    try:
        text = (folder / "comment").read_text()
    except OSError:
        return {}
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"description": text.strip()}


def _say(kept: Kept, said: dict[str, Any]) -> None:
    (kept.folder / "comment").write_text(json.dumps(said))


def _family(place: Path, top: Kept) -> Iterator[Kept]:
    yield top
    for kept in in_order(place):
        if kept.parent == top.name:
            yield from _family(place, kept)


def _find(place: Path, name: str, target: Target) -> Kept:
    for kept in in_order(place):
        if kept.name == name:
            return kept
    raise NoSnapshot(f"there is no snapshot '{name}'", host=target.host, domain=target.uuid)


def _current(place: Path) -> str | None:
    try:
        return (place / CURRENT).read_text() or None
    except FileNotFoundError:
        return None


def _stand_on(place: Path, name: str | None) -> None:
    (place / CURRENT).write_text(name or "")
