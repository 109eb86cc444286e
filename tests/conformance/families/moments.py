"""Snapshots, checkpoints and backups: their documents alone, without a hypervisor that would make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from virtbus.domain import Disk, Domain, DomainType
from virtbus.domain.disk import DiskTarget
from virtbus.snapshot import Backup, Checkpoint, CheckpointDisk, Snapshot, align, complete
from virtbus.snapshot.checkpoint import CheckpointDisks
from virtbus.snapshot.moment import Parent, RecordedDomain
from virtbus.snapshot.snapshot import SnapshotState
from virtbus.xml import Form, drivers_notes

FAMILIES = frozenset({"domainsnapshot", "domaincheckpoint", "domainbackupxml2xml"})

PARENT = "1525111885"
"""The checkpoint that is there already in the world of these cases."""

SIZE = 1 << 20
"""How many bytes have changed there, where that is asked."""

EXTRA_DISK = "vdextradisk"
"""A disk that the domain of the backups has besides those that a backup names."""


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The document as it is stored."""
    text = (root / case["input"][0]).read_bytes()
    answer = {"domainsnapshot": _snapshot, "domaincheckpoint": _checkpoint, "domainbackupxml2xml": _backup}
    return dict.fromkeys(case["expected"], answer[case["family"]](text, case["options"]))


def _snapshot(text: bytes, options: dict[str, Any]) -> str:
    snapshot, flags = Snapshot.parse(text), options["flags"]
    if "TEST_REDEFINE" not in flags:
        snapshot.begin()
        if options["uuid"] is not None:
            snapshot.domain = RecordedDomain.from_json({"uuid": options["uuid"]})
    if int(options["time"]):
        snapshot.creation_time = int(options["time"])
    if "TEST_RUNNING" in flags:
        snapshot.state = SnapshotState.RUNNING
    if "TEST_INTERNAL" not in flags:
        snapshot.active = None
    return snapshot.format(secure=True)


def _checkpoint(text: bytes, options: dict[str, Any]) -> str:
    checkpoint, flags = Checkpoint.parse(text), options["flags"]
    if "TEST_PARENT" in flags:
        checkpoint.parent = Parent(name=PARENT)
    complete(checkpoint, int(options["time"]))
    if "TEST_VDA_BITMAP" in flags and checkpoint.disks is None:
        checkpoint.disks = CheckpointDisks(disks=[CheckpointDisk(name="vda")])
    checkpoint.name_bitmaps()
    if "TEST_SIZE" in flags and checkpoint.disks is not None:
        checkpoint.disks.disks[0].size = SIZE
    return checkpoint.format(secure=True)


def _backup(text: bytes, options: dict[str, Any]) -> str:
    internal = options["internal"] == "true"
    with drivers_notes():
        backup = Backup.parse(text)
    names = [disk.name for disk in backup.disks.disks] if backup.disks is not None else []
    domain = Domain(type=DomainType.QEMU, name="backup")
    domain.devices.disks = [Disk(target=DiskTarget(dev=name)) for name in (*names, EXTRA_DISK)]
    align(backup, domain)
    return backup.format(Form.STATUS if internal else Form.INACTIVE, secure=True)
