"""Points in a domain's life: snapshots, checkpoints and backups, in libvirt's XML.

    snapshot = Snapshot.parse(xml)
    checkpoint = Checkpoint.parse(xml)
    backup = Backup.parse(xml)
    complete(checkpoint, moment)     # names and times that were not given
    align(backup, domain)            # one entry for every disk of the domain

What a hypervisor makes of them is its worker's business.
"""

from virtbus.snapshot.backup import Backup, BackupDisk, BackupMode, align
from virtbus.snapshot.checkpoint import Checkpoint, CheckpointDisk
from virtbus.snapshot.moment import complete
from virtbus.snapshot.snapshot import Snapshot, SnapshotDisk

__all__ = [
    "Backup",
    "BackupDisk",
    "BackupMode",
    "Checkpoint",
    "CheckpointDisk",
    "Snapshot",
    "SnapshotDisk",
    "align",
    "complete",
]
